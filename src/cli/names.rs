//! Names as people say them: two old words for two services, and slips of the finger.

use crate::control::{Answered, Client};
use crate::document::nearest;

/// `mta` and `imta` name these, in start order; no document may use the words otherwise.
const MTA: [&str; 2] = ["dispatcher", "job_controller"];

/// The services that were named, each once.
pub(crate) fn expand(said: &[String]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for word in said {
        let these = match word.as_str() {
            "mta" | "imta" => &MTA[..],
            other => &[other],
        };
        for name in these {
            if !names.iter().any(|known| known == name) {
                names.push((*name).to_owned());
            }
        }
    }
    names
}

/// What is said about a name nobody knows: with the nearest one that is known.
pub(crate) fn unknown(name: &str, known: &[String]) -> String {
    match nearest(name, known.iter().map(String::as_str)) {
        Some(meant) => format!("there is no service named {name}; did you mean {meant}?"),
        None if known.is_empty() => format!("there is no service named {name}"),
        None => format!("there is no service named {name}; there are {}", known.join(", ")),
    }
}

/// The names that the agent knows; none where it does not say.
pub(crate) async fn known(client: &Client) -> Vec<String> {
    let Ok(reported) = client.status().await else { return Vec::new() };
    reported.status.instances.into_iter().flat_map(|instance| instance.services).map(|service| service.name).collect()
}

/// The names of which there is a history: those, and tasks.
pub(crate) async fn with_a_history(client: &Client) -> Vec<String> {
    let Ok(reported) = client.status().await else { return Vec::new() };
    let names = reported.status.instances.into_iter().flat_map(|instance| {
        let services = instance.services.into_iter().map(|service| service.name);
        services.chain(instance.tasks.into_iter().map(|task| task.name))
    });
    names.collect()
}

/// The words of a refusal, with the nearest name where the name is unknown.
pub(crate) fn refusal(answer: &Answered, known: &[String]) -> String {
    if answer.exit_code == super::failure::USAGE { unknown(&answer.service, known) } else { answer.message.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::spec::Profile;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn r04_mta_and_imta_stand_for_two_services_and_nothing_is_named_twice() {
        let table = [
            ("imap", "imap"),
            ("mta", "dispatcher job_controller"),
            ("imta sched", "dispatcher job_controller sched"),
            ("job_controller mta", "job_controller dispatcher"),
            ("mta imta mta", "dispatcher job_controller"),
        ];
        for (said, meant) in table {
            assert_eq!(expand(&words(said)), words(meant), "{said}");
        }
    }

    #[test]
    fn the_old_words_mean_what_the_oracle_profile_says() {
        for alias in ["mta", "imta"] {
            let aliases = &Profile::Oracle.catalogue().aliases;
            let (_, names) = aliases.iter().find(|(name, _)| &***name == alias).expect("the profile has it");
            assert_eq!(expand(&words(alias)), names.iter().map(ToString::to_string).collect::<Vec<_>>());
        }
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_nearest() {
        let known = words("store imap pop");
        assert_eq!(unknown("impa", &known), "there is no service named impa; did you mean imap?");
        assert_eq!(unknown("xyz", &known), "there is no service named xyz; there are store, imap, pop");
    }
}
