//! `start-msg`, `stop-msg` and `refresh`: the words and the lines of Oracle Communications Messaging Server, so that
//! old runbooks go on working. What Oracle does not document is one clear line on the standard error.

mod ha;
mod launch;
mod refresh;
mod start;
mod stop;

use clap::Args;

use super::args::Place;
use super::names;

pub(crate) use refresh::refresh;
pub(crate) use start::start;
pub(crate) use stop::stop;

/// The names that the product's usage text lists.
const COMPONENTS: &str = "COMPONENTS: the services of the document; watcher (the agent itself), mta or imta \
    (dispatcher and job_controller). With the Oracle profile: ens metermaid mfagent store purge imap pop cert http \
    sched dispatcher job_controller snmp sms mmp. No name means all that are enabled.";

/// Starts services, and the agent before them where none runs, with the words of Oracle's command of that name.
#[derive(Debug, Args)]
#[command(after_help = COMPONENTS, override_usage = "start-msg [OPTIONS] [COMPONENTS...]\n       start-msg ha")]
pub(crate) struct StartMsg {
    /// What to start.
    #[arg(value_name = "COMPONENTS")]
    pub(crate) components: Vec<String>,
    #[command(flatten)]
    pub(crate) place: Place,
    /// A launched agent ends with this process, in order, instead of outliving it.
    #[arg(skip)]
    pub(crate) ends_with_us: bool,
}

/// Stops services, with the words of Oracle's command of that name.
#[derive(Debug, Args)]
#[command(after_help = COMPONENTS, override_usage = "stop-msg [OPTIONS] [COMPONENTS...]\n       stop-msg ha")]
pub(crate) struct StopMsg {
    /// What to stop.
    #[arg(value_name = "COMPONENTS")]
    pub(crate) components: Vec<String>,
    /// By KILL, at once. What had the message store open may leave locks.
    #[arg(short, long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) place: Place,
}

/// Lets services take over their changed configuration, with the words of Oracle's command of that name.
#[derive(Debug, Args)]
#[command(after_help = COMPONENTS, override_usage = "refresh [OPTIONS] [COMPONENTS...]")]
pub(crate) struct RefreshMsg {
    /// What to refresh.
    #[arg(value_name = "COMPONENTS")]
    pub(crate) components: Vec<String>,
    #[command(flatten)]
    pub(crate) place: Place,
}

/// What the components mean.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Meant {
    /// `ha`: the entry of a cluster manager's agent.
    ha: bool,
    /// The agent itself is named.
    watcher: bool,
    /// The services that are named; all when none is, and for `ha`.
    services: Services,
}

/// Which services.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Services {
    /// No name was given.
    All,
    /// These; none where only the agent is named.
    These(Vec<String>),
}

fn meant(components: &[String]) -> Meant {
    let watcher = components.iter().any(|name| name == "watcher");
    let ha = components.iter().any(|name| name == "ha");
    let is_all = components.is_empty() || ha;
    let others: Vec<String> = components.iter().filter(|name| *name != "watcher").cloned().collect();
    let services = if is_all { Services::All } else { Services::These(names::expand(&others)) };
    Meant { ha, watcher, services }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r04_the_components_of_the_old_commands_mean_what_they_meant() {
        let these = |names: &[&str]| Services::These(names.iter().map(|name| (*name).to_owned()).collect());
        let table = [
            ("", false, Services::All),
            ("ha", false, Services::All),
            ("imap", false, these(&["imap"])),
            ("imap pop", false, these(&["imap", "pop"])),
            ("mta", false, these(&["dispatcher", "job_controller"])),
            ("imta sched", false, these(&["dispatcher", "job_controller", "sched"])),
            ("watcher", true, these(&[])),
            ("watcher store", true, these(&["store"])),
        ];
        for (said, watcher, services) in table {
            let words: Vec<String> = said.split_whitespace().map(str::to_owned).collect();
            let ha = said == "ha";
            assert_eq!(meant(&words), Meant { ha, watcher, services }, "{said:?}");
        }
    }
}
