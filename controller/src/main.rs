//! The operator of `MessagingServer` resources.

use std::process::ExitCode;

use clap::Parser as _;
use kube::Client;
use mailward_controller::ask::ask;
use mailward_controller::options::{LogFormat, Options, Order};
use mailward_controller::reconcile::chain;
use mailward_controller::run::{Failure, run};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let options = Options::parse();
    if let Some(Order::Ask { url }) = &options.order {
        return match ask(url) {
            Ok(()) => ExitCode::SUCCESS,
            Err(no) => {
                eprintln!("{}", chain(&no));
                ExitCode::FAILURE
            }
        };
    }
    log(options.log_format);
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(until_told(options)),
        Err(error) => {
            tracing::error!(%error, "no event loop");
            ExitCode::FAILURE
        }
    }
}

async fn until_told(options: Options) -> ExitCode {
    let (told, stop) = watch::channel(false);
    let (Ok(mut term), Ok(mut int)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) else {
        tracing::error!("signals cannot be heard");
        return ExitCode::FAILURE;
    };
    tokio::spawn(async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
        }
        let _ = told.send(true);
        // Kept, so that nobody takes the end of this task for another signal.
        told.closed().await;
    });
    let outcome = match Client::try_default().await {
        Ok(client) => run(options, client, stop).await,
        Err(error) => Err(Failure::Client(error)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            tracing::error!(error = chain(&failure), "the operator ends");
            ExitCode::FAILURE
        }
    }
}

fn log(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => lines.init(),
        LogFormat::Json => lines.json().init(),
    }
}
