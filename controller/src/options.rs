//! What the operator is told on its command line or by its environment.

use std::net::SocketAddr;

use clap::{Parser, Subcommand, ValueEnum};

/// Runs `MessagingServer` resources.
#[derive(Clone, Debug, Parser)]
#[command(version, about, subcommand_negates_reqs = true)]
pub struct Options {
    /// What to do instead of running.
    #[command(subcommand)]
    pub order: Option<Order>,
    /// Image with the agent, for the pods of mail servers.
    #[arg(long, env = "MAILWARD_AGENT_IMAGE", required = true)]
    pub agent_image: Option<String>,
    /// Keep the resources of this namespace only. Default: of all.
    #[arg(long, env = "MAILWARD_NAMESPACE")]
    pub namespace: Option<String>,
    /// Namespace of the lease.
    #[arg(long, env = "MAILWARD_LEASE_NAMESPACE", default_value = "default")]
    pub lease_namespace: String,
    /// Where /livez, /readyz and /metrics are.
    #[arg(long, env = "MAILWARD_HTTP", default_value = "0.0.0.0:8080")]
    pub http: SocketAddr,
    /// How lines of the log look; `RUST_LOG` says which there are.
    #[arg(long, env = "MAILWARD_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
    /// Whether several operators take turns by a lease; without it there must be one only.
    #[arg(long, env = "MAILWARD_LEADER_ELECT", default_value_t = true, action = clap::ArgAction::Set)]
    pub leader_elect: bool,
}

/// What the operator's program can do besides.
#[derive(Clone, Debug, Subcommand)]
pub enum Order {
    /// Exits 0 where a URL answers 200.
    Ask {
        /// http://HOST:PORT/PATH
        url: String,
    },
}

/// How lines of the log look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
}
