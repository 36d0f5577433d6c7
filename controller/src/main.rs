//! The operator of `MessagingServer` resources.

use std::process::ExitCode;

use clap::Parser as _;
use kube::Client;
use mailward_controller::ask::ask;
use mailward_controller::options::{Options, Order};
use mailward_controller::reconcile::chain;
use mailward_controller::run::{Failure, run};
use mailward_controller::telemetry;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

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
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(until_told(options)),
        Err(error) => {
            eprintln!("no event loop: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn until_told(options: Options) -> ExitCode {
    let telemetry = match telemetry::begin(options.log_format) {
        Ok(telemetry) => telemetry,
        Err(no) => {
            eprintln!("{}", chain(&no));
            return ExitCode::FAILURE;
        }
    };
    let code = work(options).await;
    telemetry.end().await;
    code
}

async fn work(options: Options) -> ExitCode {
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
