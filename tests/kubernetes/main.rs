//! The agent's second front door, before a real API server: the binary with the feature `kubernetes`, one resource and
//! one namespace a test.
//!
//! One control plane (etcd and kube-apiserver) serves all; each agent reaches it through a door of its own that can be
//! shut ([`door::Door`]), so that outages concern one test only.

mod containers;
mod documents;
mod door;
mod health;
mod outages;
mod plane;
mod pod;
mod rights;
mod told;
