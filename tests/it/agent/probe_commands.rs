//! Probes by a command: what its end means for the service, and what people are shown.

use std::fs;

use super::house::{House, services};
use crate::running::eventually;

/// Answers as the file `mood` says: `hang`, or words and an exit code.
const CHECK: &str = r#"cd "${0%/*}"; read -r code words < mood
echo "asked $MAINPID by $1"; echo "$words"
[ "$code" = hang ] && exec sleep 1000000
exit "$code"
"#;

/// A service without a listener, asked by a command when somebody wants a round.
fn asked(more: &str) -> House {
    let probes = "{timeout: 2s, failureThreshold: 1, period: 1h, pressureThreshold: 100}";
    let fields = format!("startTimeout: 1s, probes: {{command: [/bin/sh, '{{dir}}/check', s3cret]}}{more}");
    let mut house = House::new(&format!("  probes: {probes}\n{}", services(&[("milter", &fields)])));
    house.put("check", CHECK);
    house.put("mood", "0 fine\n");
    house.start();
    house.all_ready();
    house
}

/// Asks for rounds until one is as wished; its exit code and its table.
fn probe_until(house: &House, wished: impl Fn(i32, &str) -> bool) -> (i32, String) {
    eventually("a round as wished", || {
        let said = house.run(&["probe"]);
        wished(said.code, &said.out).then_some((said.code, said.out))
    })
}

#[test]
fn r08_a_command_that_says_no_is_reported_everywhere_and_nothing_is_restarted_for_it() {
    let house = asked("");
    let pid = house.status().pid("milter");
    let (_, table) = probe_until(&house, |code, _| code == 0);
    assert!(table.contains("Command /bin/sh") && table.contains("Served"), "{table}");
    house.put("mood", "2 CRITICAL - no key\n");
    let (code, table) = probe_until(&house, |_, table| table.contains("Violation"));
    assert_eq!(code, 1, "{table}");
    assert!(table.contains("exited with code 2: CRITICAL - no key"), "{table}");
    let words = "milter: answers wrongly: Command /bin/sh: exited with code 2: CRITICAL - no key";
    let (degraded, _, message) = house.status().condition("Degraded");
    assert_eq!(degraded, "True");
    assert!(message.contains("CRITICAL - no key"), "{message}");
    let told = house.run(&["history", "milter"]);
    assert!(told.out.contains(words.trim_start_matches("milter: ")), "{}", told.out);
    let series = house.get("/v1/probes?service=milter");
    assert_eq!(
        series[0]["samples"].as_array().and_then(|all| all.last()).map(|last| &last["verdict"]),
        Some(&"Violation".into())
    );
    // The threshold is one round, and more than one was held.
    probe_until(&house, |code, _| code == 1);
    assert_eq!((house.status().pid("milter"), house.times("milter Hangs")), (pid, 0));
    house.put("mood", "0 fine\n");
    probe_until(&house, |code, _| code == 0);
    let everything = format!("{table}{}{}{}", house.run(&["status"]).out, told.out, house.read("data/log/default"));
    assert!(!everything.contains("s3cret"), "arguments are nobody's business: {everything}");
}

#[test]
fn r08_c11_a_command_that_hangs_is_silence_and_its_service_is_restarted_with_its_evidence_kept() {
    let house = asked("");
    probe_until(&house, |code, _| code == 0);
    let before = house.status().pid("milter").unwrap();
    house.put("mood", "hang it has the key\n");
    probe_until(&house, |_, _| house.times("milter Hangs") > 0);
    house.again("milter", before);
    assert_eq!((house.times("milter Crashed"), house.times("milter RestartsAlone")), (0, 1));
    let files = fs::read_dir(house.path("state/evidence/milter")).unwrap();
    let file = files.map(|entry| entry.unwrap().path()).next().expect("one file");
    let evidence = fs::read_to_string(file).unwrap();
    for part in [
        "milter hangs: Command /bin/sh was silent for 2.0 s",
        "Command /bin/sh: Silent after 2000 ms",
        "/bin/sh is run",
        &format!("asked {before} by s3cret"),
        "it has the key",
        "it did not end in its time and was killed",
    ] {
        assert!(evidence.contains(part), "{part} is missing:\n{evidence}");
    }
}

#[test]
fn r08_c13_a_command_that_is_missing_says_nothing_of_the_service_and_is_told_once() {
    let fields = "startTimeout: 1s, probes: {command: [/no/such/check]}";
    let probes = "{failureThreshold: 1, period: 1h}";
    let house = House::started(&format!("  probes: {probes}\n{}", services(&[("milter", fields)])));
    let pid = house.all_ready().pid("milter");
    for _ in 0..3 {
        let said = house.run(&["probe", "milter"]);
        assert!(said.out.contains("Unknown") && said.out.contains("/no/such/check does not exist"), "{said:?}");
    }
    assert_eq!((house.times("milter Hangs"), house.status().pid("milter")), (0, pid));
    let told = house.run(&["history", "milter"]).out;
    assert_eq!(told.matches("could not be asked: Command /no/such/check").count(), 1, "{told}");
}
