//! What only a person can mend: it is said, all is kept, and once it is mended all arrives.

use std::time::Duration;

use atp_sim::Population;
use end_to_end::{Finished, Place, Running, Site};
use sink_splunk_hec::stand_in::Manner;

use super::taken::taken;
use super::{Indexers, dead_letters, settings, site, write_token};

const ALERTS: u32 = 2_000;

/// Scenario: the token is not one that the indexers know, first for a run that ends and then for one that goes on, until
/// it is mended in its file.
/// Guarantee: both say what a person must do; nothing is a dead letter; the one that goes on finds the mended token by
/// itself, and everything arrives once.
#[test]
fn a_bad_token_halts_until_it_is_mended() {
    let (site, tenants) = site(ALERTS, &Population::at_rest(0));
    let indexers = Indexers::start(&Manner::default());
    let place = Place::empty();
    write_token(place.folder(), "no token of theirs");
    place.set_up(&site.simulator, &tenants, &settings(indexers.sink("acknowledge: false")));

    let sentence = "HEC code 4, Invalid token";
    assert_halted(&place.start(&["run", "--once"]).finish(Duration::from_secs(60)), sentence, "`token`");
    assert_eq!(indexers.held(), 0);

    let running = Running::start(&mut place.command(&["run"]), &place.path("log.run"));
    site.wait_until("the log says it", || running.log().contains(sentence));
    write_token(place.folder(), "token");
    site.wait_until("everything has arrived", || indexers.held() >= ALERTS as usize);
    running.terminate(Duration::from_secs(30)).assert_done();
    assert_whole(&site, &place, &indexers);
}

/// Scenario: acknowledgement is asked of a token that gives none, and the other way round.
/// Guarantee: nothing is sent, nothing turns into the other by itself, and the sentence names the choice; once that is
/// made everything arrives once.
#[test]
fn acknowledgement_is_a_choice() {
    for acknowledge in [true, false] {
        let (site, tenants) = site(ALERTS, &Population::at_rest(0));
        let indexers = Indexers::start(&Manner { acknowledge: !acknowledge, ..Manner::default() });
        let place = Place::empty();
        write_token(place.folder(), "token");
        let choose = |acknowledge| settings(indexers.sink(&format!("acknowledge: {acknowledge}")));
        place.set_up(&site.simulator, &tenants, &choose(acknowledge));
        let finished = place.start(&["run", "--once"]).finish(Duration::from_secs(60));
        assert_halted(&finished, "HEC code 1", &format!("`acknowledge: {}`", !acknowledge));
        assert_eq!(indexers.held(), 0);

        place.set_up(&site.simulator, &tenants, &choose(!acknowledge));
        place.start(&["run", "--once"]).finish(Duration::from_secs(60)).assert_done();
        assert_whole(&site, &place, &indexers);
    }
}

fn assert_halted(finished: &Finished, sentence: &str, advice: &str) {
    assert_eq!(finished.code(), Some(3), "{}", finished.log);
    assert!(finished.log.contains("a sink needs a person"), "{}", finished.log);
    assert!(finished.log.contains(sentence) && finished.log.contains(advice), "{}", finished.log);
    assert!(!finished.log.contains("no token of theirs"), "a token is in the log");
}

fn assert_whole(site: &Site, place: &Place, indexers: &Indexers) {
    let letters = dead_letters(place.command(&["dead-letters", "list", "--sink", "splunk", "--json"]));
    assert!(letters.is_empty(), "{letters:?}");
    let taken = taken(site, place, &indexers.events(), &letters);
    assert_eq!((taken.events, taken.copies), (ALERTS as usize, 0));
}
