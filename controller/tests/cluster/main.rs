//! Proofs on a real, whole Kubernetes. `.ci/test-cluster` brings it up and runs these inside its network, so that they
//! reach pods and Services by their addresses.

#![allow(missing_docs, reason = "nobody links against a test")]

mod crashes;
mod installed;
mod kubectl;
mod mail;
mod mail_image;
mod namespace;
mod parts;
mod server;
mod talk;
mod watch;
