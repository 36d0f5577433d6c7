//! A hundred thousand simulated lives ([R1] to [R12], [R19], [R21]): random documents, faults, orders and edits, with
//! the agent killed between any two steps, against invariants that know nothing of how the planner works.
//!
//! `MAILWARD_LIVES` sets how many; `MAILWARD_SEED` plays one again and prints it.

#![allow(clippy::cast_possible_truncation, reason = "random numbers are cut on purpose")]
#![allow(unreachable_pub, missing_docs, reason = "nobody links against a test")]

mod lives {
    pub mod life;
    pub mod random;
    pub mod tasks;
    pub mod totals;
    pub mod watch;
}

use lives::life::Life;

/// How many lives the test command plays when nobody says otherwise.
const LIVES: u64 = 100_000;

#[test]
fn every_invariant_holds_over_a_hundred_thousand_lives() {
    if let Some(seed) = number("MAILWARD_SEED") {
        let report = Life::new(seed).told().play();
        assert!(report.is_ok(), "seed {seed}: {}", report.unwrap_err());
        return;
    }
    let lives = number("MAILWARD_LIVES").unwrap_or(LIVES);
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get() as u64);
    let mut totals = lives::life::Totals::default();
    std::thread::scope(|scope| {
        let players: Vec<_> = (0..threads)
            .map(|thread| {
                scope.spawn(move || {
                    let mut totals = lives::life::Totals::default();
                    for seed in (thread..lives).step_by(threads as usize) {
                        match Life::new(seed).play() {
                            Ok(played) => totals.add(&played),
                            Err(broken) => panic!(
                                "seed {seed} breaks an invariant: {broken}\n\
                                 play it again: MAILWARD_SEED={seed} cargo test --no-default-features --test lives -- --nocapture"
                            ),
                        }
                    }
                    totals
                })
            })
            .collect();
        for player in players {
            totals.add(&player.join().expect("the message above says which seed"));
        }
    });
    println!("{lives} lives: {totals}");
    assert!(totals.is_eventful(), "the lives were too quiet to prove anything: {totals}");
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}
