//! The operator on a real API server, with the controllers of Kubernetes and without a node: pods stay pending, and what
//! their agents would say is written by the tests.

#![allow(missing_docs, reason = "nobody links against a test")]

mod access;
mod collected;
mod gone;
#[path = "../shared/kstatus.rs"]
mod kstatus;
mod place;
mod plane;
mod policy;
#[path = "../shared/reach.rs"]
mod reach;
mod rounds;
#[path = "../shared/mod.rs"]
mod shared;
#[path = "../shared/tools.rs"]
mod tools;
mod turns;
