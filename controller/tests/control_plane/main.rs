//! What a real API server makes of the resource: etcd and kube-apiserver alone, nothing that acts on it.

#![allow(missing_docs, reason = "nobody links against a test")]

#[path = "../shared/kstatus.rs"]
mod kstatus;
mod lifetime;
mod limits;
mod plane;
#[path = "../shared/reach.rs"]
mod reach;
#[path = "../shared/mod.rs"]
mod shared;
mod verdicts;
