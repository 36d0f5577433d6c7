//! The operator of `MessagingServer` resources.

fn main() {}
