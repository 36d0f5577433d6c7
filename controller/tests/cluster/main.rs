//! Proofs on a real, whole Kubernetes. `.ci/test-cluster` brings it up and runs these inside its network, so that they
//! reach pods and Services by their addresses.

#![allow(missing_docs, reason = "nobody links against a test")]

mod at_rest;
mod crashes;
mod drain;
mod edits;
mod ends;
mod installed;
mod kubectl;
mod mail;
mod mail_image;
mod many;
mod namespace;
mod outages;
mod parts;
mod rights;
mod server;
mod skew;
mod talk;
mod tls;
mod watch;
