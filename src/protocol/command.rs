//! What a probe's command says of a service by its end ([R8]): the one dialogue in which a program of somebody else asks.
//!
//! Exit 0 means that the service serves, every other code that it was asked and answered wrongly; the last line that the
//! command wrote says how. Running over its time is silence. A command that could not be run, or that a signal ended,
//! says nothing: that is the prober's own trouble (C13).

use std::time::Duration;

use super::printable;
use crate::model::{Exit, Heard, Inquiry, InquiryEnd, Name};

/// An end that is noticed this much too late says that the prober itself was held up.
const LATE: Duration = Duration::from_secs(1);

/// What was heard.
pub fn judge(inquiry: &Inquiry) -> Heard {
    match &inquiry.end {
        InquiryEnd::Exited(Exit::Code(0)) => Heard::Served,
        InquiryEnd::Exited(exit @ Exit::Code(_)) => Heard::Violation(with_last_line(&exit.to_string(), &inquiry.said)),
        InquiryEnd::Exited(exit @ (Exit::Signal(_) | Exit::Unknown)) => {
            Heard::Unknown(with_last_line(&exit.to_string(), &inquiry.said))
        }
        InquiryEnd::Overdue(late) if *late > LATE => {
            Heard::Unknown(Name::from(format!("the prober itself was held up for {late:.1?} and cannot tell")))
        }
        InquiryEnd::Overdue(_) => Heard::Silent,
        InquiryEnd::CutOff(words) => Heard::Unknown(words.clone()),
    }
}

/// The end of a run in words, for the evidence.
pub fn words(inquiry: &Inquiry) -> String {
    match &inquiry.end {
        InquiryEnd::Exited(exit) => format!("it {exit}"),
        InquiryEnd::Overdue(_) => "it did not end in its time and was killed".to_owned(),
        InquiryEnd::CutOff(words) => words.to_string(),
    }
}

/// The last line that is not empty, printable and cut.
fn with_last_line(end: &str, said: &[u8]) -> Name {
    let line = said.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).rfind(|line| !line.is_empty());
    Name::from(line.map_or_else(|| format!("{end} and said nothing"), |line| format!("{end}: {}", printable(line))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(end: InquiryEnd, said: &str) -> Heard {
        judge(&Inquiry { took: Duration::from_millis(5), end, said: said.as_bytes().to_vec() })
    }

    #[test]
    fn r08_a_command_serves_by_exit_0_whatever_it_says_and_answers_wrongly_by_another_code() {
        assert_eq!(heard(InquiryEnd::Exited(Exit::Code(0)), "CRITICAL\n"), Heard::Served);
        let wrong = |said| heard(InquiryEnd::Exited(Exit::Code(2)), said);
        let expected = "exited with code 2: CRITICAL - no IMAP greeting";
        assert_eq!(wrong("checking\nCRITICAL - no IMAP greeting\r\n\n"), Heard::Violation(expected.into()));
        assert_eq!(wrong(" \n"), Heard::Violation("exited with code 2 and said nothing".into()));
        assert_eq!(wrong("\x1b[31mred"), Heard::Violation("exited with code 2: \\x1b[31mred".into()));
        let Heard::Violation(words) = wrong(&"x".repeat(2_000)) else { panic!("an answer") };
        assert!(words.len() < 300, "{words}");
    }

    #[test]
    fn r08_a_command_over_its_time_is_silence_unless_the_prober_itself_was_late() {
        assert_eq!(heard(InquiryEnd::Overdue(Duration::from_millis(3)), "still at it"), Heard::Silent);
        let late = heard(InquiryEnd::Overdue(Duration::from_secs(7)), "");
        assert_eq!(late, Heard::Unknown("the prober itself was held up for 7.0s and cannot tell".into()));
    }

    #[test]
    fn r08_c13_a_command_that_could_not_run_or_was_killed_says_nothing_of_the_service() {
        let missing = Name::from("/no/such/check does not exist");
        assert_eq!(heard(InquiryEnd::CutOff(missing.clone()), ""), Heard::Unknown(missing));
        let killed = heard(InquiryEnd::Exited(Exit::Signal(11)), "half a li");
        assert_eq!(killed, Heard::Unknown("was killed by SIGSEGV: half a li".into()));
    }
}
