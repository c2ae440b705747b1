//! Indexers that are busy, cut connections and lose words while our process is killed.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use atp_sim::{Population, Special};
use end_to_end::{Place, Running, Site};
use sink_splunk_hec::stand_in::{Manner, Trick};

use super::taken::taken;
use super::{Indexers, dead_letters, settings, site, write_token};

const ALERTS: u32 = 20_000;
const KILLS: usize = 5;
/// Alerts of each tenant that the collector refuses, and where among the others the first of them stands.
const REFUSED: u32 = 20;
const FIRST_REFUSED: u32 = 400;
/// One more of each tenant is larger than the collector takes.
const TOO_LARGE: u32 = 5_000;
const REFUSED_TITLE: &str = "the collector takes none of these";
/// With requests of 64 KiB at most so many records go in one, whatever the names of tenants.
const RECORDS: usize = 48;

/// Guarantee: without acknowledgement nothing is lost by busy indexers, cut connections and lost words, nor by kills.
#[test]
fn storms_and_kills_lose_nothing() {
    // Two indexers with two connections each, and two batches for each connection.
    storm(false, 8);
}

/// Guarantee: with acknowledgement nothing is lost by lost, crossed and repeated acknowledgements either, nor by changed
/// cookies and channels that are forgotten.
#[test]
fn storms_of_acknowledgements_and_kills_lose_nothing() {
    // The same, and eight batches for each connection.
    storm(true, 32);
}

/// Scenario: 20,000 alerts go to two indexers that misbehave in every way they know, while our process is killed five
/// times. Some alerts are refused by them, and one is too large.
///
/// Guarantee: every other alert arrives, every byte of it, at its time to the millisecond; dead letters are those that
/// were refused and no other; what comes twice is at most what was in flight at a kill and the requests whose words got
/// lost.
fn storm(acknowledge: bool, outstanding: usize) {
    let (site, tenants) = site(ALERTS, &population());
    let manner = Manner { acknowledge, indexers: 2, refused: Some(REFUSED_TITLE.to_owned()), ..Manner::default() };
    let indexers = Indexers::start(&manner);
    let place = Place::empty();
    write_token(place.folder(), "token");
    let sink = indexers.sink(&format!("acknowledge: {acknowledge}, max_content: 64KiB"));
    place.set_up(&site.simulator, &tenants, &settings(sink));

    let started = Instant::now();
    let over = AtomicBool::new(false);
    let tricks = thread::scope(|scope| {
        let playing = scope.spawn(|| play(&indexers, acknowledge, &over));
        for kill in 0..KILLS {
            kill_under_load(&site, &place, &indexers, kill);
        }
        let last = place.start(&["run", "--once"]);
        let half = (indexers.held() + ALERTS as usize) / 2;
        site.wait_until("half of the rest has arrived", || indexers.held() >= half);
        over.store(true, Ordering::Relaxed);
        last.finish(Duration::from_secs(120)).assert_done();
        playing.join().expect("tricks are played without a panic")
    });

    let letters =
        dead_letters(place.command(&["dead-letters", "list", "--sink", "splunk", "--json", "--limit", "1000"]));
    assert_eq!(letters.len(), tenants.len() * (REFUSED as usize + 1), "what was refused is a dead letter, no other is");
    let taken = taken(&site, &place, &indexers.events(), &letters);
    let (unheard, elapsed) = (indexers.unheard(), started.elapsed());
    println!(
        "acknowledge: {acknowledge}; {}; {taken:?}, {} dead letters; {KILLS} kills, {tricks:?}, {unheard} requests \
         unheard, in {elapsed:.0?}",
        taken.summary,
        letters.len()
    );
    assert!(taken.hostile > 0 && taken.named_hosts > ALERTS as usize / 2, "{taken:?}");
    // A lane has as many records unsettled as its window holds, and two batches whose settlement is under way.
    let allowed = (KILLS * (outstanding + 2) + unheard) * RECORDS;
    assert!(taken.copies <= allowed, "{} copies where {allowed} are allowed", taken.copies);
}

fn population() -> Population {
    let refused = Special {
        body: Some(format!(
            "{{\"id\":\"$ID\",\"title\":\"{REFUSED_TITLE}\",\"alertCreationTime\":\"$CREATED\",\"lastUpdateTime\":\"$UPDATED\"}}"
        )),
        ..Special::default()
    };
    let too_large = Special { description_bytes: 1_200_000, ..Special::default() };
    let mut special: BTreeMap<u32, Special> =
        (0..REFUSED).map(|number| (FIRST_REFUSED + number * 97, refused.clone())).collect();
    special.insert(TOO_LARGE, too_large);
    Population { special, ..Population::at_rest(0) }
}

/// Starts our process, and kills it once the indexers have taken another part of the alerts.
fn kill_under_load(site: &Site, place: &Place, indexers: &Indexers, kill: usize) {
    let before = indexers.held();
    let running = Running::start(&mut place.command(&["run"]), &place.path(&format!("log.{kill}")));
    site.wait_until("the indexers have taken more", || indexers.held() >= before + ALERTS as usize / 10);
    let killed = running.kill();
    site.killed();
    assert_eq!(killed.signal(), Some(9), "{}", killed.log);
}

/// Plays tricks on one or the other indexer until it is over. Returns how often each was played.
fn play(indexers: &Indexers, acknowledge: bool, over: &AtomicBool) -> BTreeMap<&'static str, usize> {
    let first = if acknowledge { about_acknowledgements() } else { Vec::new() };
    let again = about_events();
    let mut played = BTreeMap::new();
    let mut dice = fastrand::Rng::with_seed(u64::from(acknowledge));
    for (name, trick, times) in first.iter().chain(again.iter().cycle()) {
        let indexer = &indexers.both[dice.usize(..2)];
        (0..*times).for_each(|_| indexer.play(trick.clone()));
        *played.entry(*name).or_default() += times;
        let moment = Instant::now() + Duration::from_millis(dice.u64(20..120));
        while Instant::now() < moment || indexer.tricks_left() > 0 {
            if over.load(Ordering::Relaxed) {
                return played;
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
    played
}

/// What becomes of acknowledgements, and how often at a time: it lets requests wait for long, and so it is played once,
/// while there are kills.
fn about_acknowledgements() -> Vec<(&'static str, Trick, usize)> {
    let busy = "{\"text\":\"Server is busy\",\"code\":9}".to_owned();
    vec![
        ("acks lost", Trick::LoseAcks, 1),
        ("acks garbled", Trick::GarbleAcks, 1),
        ("acks crossed", Trick::CrossAcks, 2),
        ("channel forgotten", Trick::ForgetChannel, 1),
        ("cookie changed", Trick::ChangeCookie, 1),
        ("id repeated", Trick::RepeatId, 1),
        ("acks refused", Trick::AnswerAcks(503, busy), 2),
    ]
}

/// What becomes of events, and how often at a time.
fn about_events() -> Vec<(&'static str, Trick, usize)> {
    let took = |code: u16| {
        let body = format!("{{\"text\":\"near capacity\",\"code\":{code},\"ackId\":0}}");
        Trick::TakeAndAnswer(200, body)
    };
    let garbled = Trick::TakeAndAnswer(200, "<html>Welcome to the café</html>".to_owned());
    vec![
        ("storm", Trick::code(503, 9), 6),
        ("cut before", Trick::CutBefore, 2),
        ("near capacity", took(24), 1),
        ("cut after", Trick::CutAfter, 2),
        ("at capacity", Trick::code(429, 26), 2),
        ("cut inside", Trick::CutInside, 1),
        ("acks near capacity", took(25), 1),
        ("garbled", garbled, 1),
        ("busy in the middle", Trick::TakeUpTo { status: 503, code: 9, number: 7 }, 1),
        ("shutting down", Trick::code(503, 23), 2),
    ]
}
