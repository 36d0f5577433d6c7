//! `probe` and `msprobe`: a round of probes now.

use super::args::{Probe, StatusOutput};
use super::failure::{Failure, OK, USAGE};
use super::terminal::{print, style};
use super::{names, render};
use crate::control::{Client, ClientError};
use crate::model::{Health, Level};
use crate::status::{ProbeReport, ServiceProbe};

/// Something answers, but not well, could not be asked, or is excused.
const NOT_ALL_WELL: u8 = 1;
/// Something does not answer.
const SILENT: u8 = 2;

/// Asks for a round, waits for its end and shows it.
pub(crate) async fn probe(client: &Client, said: &Probe) -> Result<u8, Failure> {
    let wanted = names::expand(&said.names);
    let report = match client.probe(&wanted).await {
        Ok(report) => report,
        Err(ClientError::Refused(problem)) if problem.status == 404 => {
            let known = names::known(client).await;
            let name = wanted.iter().find(|name| !known.contains(name)).map_or("", String::as_str);
            return Err(Failure::new(USAGE, names::unknown(name, &known)));
        }
        Err(error) => return Err(error.into()),
    };
    print(&match said.output {
        StatusOutput::Table => render::probes(&report, false, style()),
        StatusOutput::Wide => render::probes(&report, true, style()),
        StatusOutput::Json => render::json(&report)?,
        StatusOutput::Yaml => render::yaml(&report)?,
    })?;
    Ok(exit_code(&report))
}

/// The worst of all services, disks and queues decides.
fn exit_code(report: &ProbeReport) -> u8 {
    let gauges = report.gauges.iter().map(|gauge| if gauge.level == Some(Level::Within) { OK } else { NOT_ALL_WELL });
    report.services.iter().map(of_one).chain(gauges).max().unwrap_or(OK)
}

fn of_one(service: &ServiceProbe) -> u8 {
    match service.health {
        Some(Health::Fails) => SILENT,
        _ if service.hangs => SILENT,
        Some(Health::Answers) => OK,
        Some(
            Health::Slow
            | Health::Refuses
            | Health::BadCertificate
            | Health::Violates
            | Health::Unknown
            | Health::Excused,
        )
        | None => NOT_ALL_WELL,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::GaugeProbe;

    fn service(health: Option<Health>, hangs: bool) -> ServiceProbe {
        ServiceProbe { health, hangs, ..ServiceProbe::default() }
    }

    #[test]
    fn r08_the_worst_answer_of_a_round_is_its_exit_code() {
        let table = [
            (service(Some(Health::Answers), false), 0),
            (service(Some(Health::Slow), false), 1),
            (service(Some(Health::Refuses), false), 1),
            (service(Some(Health::BadCertificate), false), 1),
            (service(Some(Health::Violates), false), 1),
            (service(Some(Health::Unknown), false), 1),
            (service(Some(Health::Excused), false), 1),
            (service(None, false), 1),
            (service(Some(Health::Fails), false), 2),
            (service(Some(Health::Excused), true), 2),
        ];
        for (one, code) in table {
            let services = vec![service(Some(Health::Answers), false), one];
            let report = ProbeReport { services, ..ProbeReport::default() };
            assert_eq!(exit_code(&report), code, "{report:?}");
        }
        assert_eq!(exit_code(&ProbeReport::default()), 0);
        for (level, code) in [(Some(Level::Within), 0), (Some(Level::Crossed), 1), (Some(Level::Unknown), 1), (None, 1)]
        {
            let gauges = vec![GaugeProbe { level, ..GaugeProbe::default() }];
            assert_eq!(exit_code(&ProbeReport { services: Vec::new(), gauges }), code, "{level:?}");
        }
    }
}
