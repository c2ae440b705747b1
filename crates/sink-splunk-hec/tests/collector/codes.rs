//! Every answer of the collector, each in the middle of a delivery, with its verdict: nothing is lost, and what comes
//! twice is the requests whose words got lost.

use std::time::Duration;

use fault::Verdict;
use sink::Sink;
use sink_splunk_hec::HecSink;
use sink_splunk_hec::stand_in::{Manner, StandIn, Trick};

use self::Comes::{Doubt, Ease, Halt, Halves, Nothing, Refusal, Retry};
use crate::lane::{Outcome, copies, deliver_past_halts, numbered, options};

/// Records in a request.
const BATCH: usize = 5;
/// The event that an answer names.
const NAMED: usize = 2;

/// What must come of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comes {
    /// Nothing, or a Retry where two requests cannot be told apart.
    Doubt,
    /// The lane is asked for ease, and nothing else.
    Ease,
    /// A Halt with advice; all is kept.
    Halt,
    /// The batch in halves.
    Halves,
    /// Nothing that the lane hears of.
    Nothing,
    /// One dead letter.
    Refusal,
    /// A Retry.
    Retry,
}

/// An answer, what must come of it without acknowledgement, and with it.
type Row = (Trick, Comes, Comes);

/// The collector's codes 0 to 28, some that are not its own, and plain HTTP.
fn answers() -> Vec<Row> {
    let none = |status, code, comes| (Trick::code(status, code), comes, comes);
    let up_to = |status, code, comes| (Trick::TakeUpTo { status, code, number: NAMED }, comes, comes);
    let taken = |code| Trick::TakeAndAnswer(200, format!("{{\"text\":\"as asked\",\"code\":{code},\"ackId\":0}}"));
    let plain = |status, comes| (html(status), comes, comes);
    vec![
        (taken(0), Nothing, Nothing),
        none(403, 1, Halt),
        none(401, 2, Halt),
        none(401, 3, Halt),
        none(403, 4, Halt),
        none(400, 5, Halt),
        none(400, 6, Halves),
        up_to(400, 6, Refusal),
        up_to(400, 7, Halt),
        none(500, 8, Retry),
        none(503, 9, Retry),
        up_to(503, 9, Retry),
        none(400, 10, Halt),
        (Trick::code(400, 11), Halt, Nothing),
        up_to(400, 12, Refusal),
        up_to(400, 13, Refusal),
        none(400, 14, Halt),
        up_to(400, 15, Refusal),
        none(400, 16, Halt),
        (taken(17), Retry, Retry),
        none(503, 18, Retry),
        none(503, 19, Retry),
        none(503, 20, Retry),
        none(400, 21, Halt),
        none(400, 22, Halt),
        none(503, 23, Retry),
        (taken(24), Ease, Ease),
        (taken(25), Ease, Ease),
        none(429, 26, Retry),
        none(429, 27, Retry),
        none(400, 28, Halt),
        none(400, 99, Halt),
        none(503, 99, Retry),
        plain(302, Halt),
        plain(401, Halt),
        plain(403, Halt),
        plain(404, Halt),
        plain(405, Halt),
        plain(408, Retry),
        plain(413, Halves),
        plain(415, Halt),
        plain(429, Retry),
        plain(500, Retry),
        plain(502, Retry),
        plain(503, Retry),
        plain(504, Retry),
    ]
}

/// Words that get lost on their way, or are garbled.
fn lost_words() -> Vec<Row> {
    let garbled = |body: &str| Trick::TakeAndAnswer(200, body.to_owned());
    [
        Trick::CutBefore,
        Trick::CutAfter,
        Trick::CutInside,
        garbled("<html>Welcome to the café</html>"),
        garbled("{\"text\":\"Succ"),
        garbled(""),
    ]
    .map(|trick| (trick, Retry, Retry))
    .into()
}

/// What may become of acknowledgements: there is nothing of it without them.
fn acknowledgements() -> Vec<(Trick, Comes)> {
    let coded = |status, code: u16| Trick::AnswerAcks(status, format!("{{\"text\":\"as asked\",\"code\":{code}}}"));
    let plain = |status| Trick::AnswerAcks(status, "<html>no</html>".to_owned());
    let halts = [
        coded(403, 1),
        coded(401, 2),
        coded(401, 3),
        coded(403, 4),
        coded(400, 10),
        coded(400, 14),
        coded(400, 21),
        coded(400, 22),
        coded(400, 28),
        plain(401),
        plain(403),
        plain(404),
        plain(405),
    ];
    let asked_again = [
        coded(500, 8),
        coded(503, 9),
        coded(503, 18),
        coded(503, 19),
        coded(503, 20),
        coded(503, 23),
        coded(429, 26),
        coded(429, 27),
        plain(200),
        plain(408),
        plain(429),
        plain(500),
        plain(503),
    ];
    let lost = [Trick::LoseAcks, Trick::GarbleAcks, Trick::ForgetChannel, coded(400, 11)];
    let mixed = [Trick::CrossAcks, Trick::ChangeCookie, Trick::RepeatId];
    let rows = halts.into_iter().map(|trick| (trick, Halt));
    let rows = rows.chain(asked_again.into_iter().map(|trick| (trick, Nothing)));
    let rows = rows.chain(lost.into_iter().map(|trick| (trick, Retry)));
    rows.chain(mixed.into_iter().map(|trick| (trick, Doubt))).collect()
}

fn html(status: u16) -> Trick {
    Trick::Answer { status, body: "<html>no</html>".to_owned(), header: None }
}

/// Guarantee: each answer has its verdict; nothing is lost; a Halt keeps all; a refusal is of one record; and no more
/// comes twice than the requests that were taken without our being able to know.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_has_its_verdict_and_loses_nothing() {
    let rows: Vec<Row> = answers().into_iter().chain(lost_words()).collect();
    for (trick, without, with) in &rows {
        play(trick, *without, false).await;
        play(trick, *with, true).await;
    }
    for (trick, comes) in &acknowledgements() {
        play(trick, *comes, true).await;
    }
}

async fn play(trick: &Trick, comes: Comes, acknowledge: bool) {
    let stand_in = StandIn::start(Manner { acknowledge, indexers: 2, ..Manner::default() }).await;
    let mut sink = HecSink::new(&options(&[&stand_in], acknowledge)).unwrap();
    stand_in.play(trick.clone());
    let records = numbered(BATCH * 8);
    let outcome = deliver_past_halts(&mut sink, &records, BATCH).await;
    let case = format!("{trick:?} with acknowledge: {acknowledge}");
    assert_eq!(stand_in.tricks_left(), 0, "{case}");
    expect(comes, &outcome, &case);
    let copies = copies(&records, &stand_in.events(), &outcome.refused);
    // With a Halt while acknowledgements are asked for, nobody waits for them any more.
    let given_up = if comes == Halt && matches!(trick, Trick::AnswerAcks(..)) { sink.limits().outstanding } else { 0 };
    // An indexer that has forgotten a channel holds none of what waited in it; ours was only told so.
    let told = if matches!(trick, Trick::AnswerAcks(400, _)) && comes == Retry { sink.limits().outstanding } else { 0 };
    let allowed = (stand_in.unheard() + given_up + told) * BATCH;
    assert!(copies <= allowed, "{copies} copies where {allowed} are allowed: {case}");
}

fn expect(comes: Comes, outcome: &Outcome, case: &str) {
    let verdict = match comes {
        Halt => Some(Verdict::Halt),
        Doubt | Retry => Some(Verdict::Retry),
        Ease | Halves | Nothing | Refusal => None,
    };
    let has_faults = !outcome.faults.is_empty();
    assert!(comes == Doubt || has_faults == verdict.is_some(), "{case}: {:?}", outcome.faults);
    assert!(outcome.faults.iter().all(|fault| Some(fault.verdict()) == verdict), "{case}: {:?}", outcome.faults);
    assert!(outcome.faults.iter().all(|fault| comes != Halt || fault.advice().is_some()), "{case}");
    assert_eq!(outcome.refused.len(), usize::from(comes == Refusal), "{case}: {:?}", outcome.refused);
    assert_eq!(outcome.halved, usize::from(comes == Halves), "{case}");
    assert_eq!(outcome.eased, usize::from(comes == Ease), "{case}");
}

/// Guarantee: a hint of when to come back reaches the lane, from each answer that may hold one.
#[tokio::test]
async fn a_hint_reaches_the_lane() {
    let header = Some(("retry-after", "17".to_owned()));
    for (status, body) in [(503, ""), (429, "<html>later</html>"), (503, "{\"text\":\"busy\",\"code\":9}")] {
        let stand_in = StandIn::start(Manner::default()).await;
        stand_in.play(Trick::Answer { status, body: body.to_owned(), header: header.clone() });
        let mut sink = HecSink::new(&options(&[&stand_in], false)).unwrap();
        let outcome = deliver_past_halts(&mut sink, &numbered(1), 1).await;
        assert_eq!(outcome.faults[0].retry_after(), Some(Duration::from_secs(17)), "{status} {body}");
    }
}

/// Guarantee: what an indexer says of its health counts for a probe, as a code and as plain HTTP; one that has no such
/// path is not held to be ill.
#[tokio::test]
async fn an_indexer_that_is_not_well_is_found_by_a_probe() {
    let coded = |code: u16| format!("{{\"text\":\"as asked\",\"code\":{code}}}");
    for (status, body, verdict) in [
        (200, coded(17), None),
        (503, coded(18), Some(Verdict::Retry)),
        (503, coded(19), Some(Verdict::Retry)),
        (503, coded(20), Some(Verdict::Retry)),
        (503, coded(23), Some(Verdict::Retry)),
        (400, coded(21), Some(Verdict::Halt)),
        (400, coded(22), Some(Verdict::Halt)),
        (502, "<html>Bad Gateway</html>".to_owned(), Some(Verdict::Retry)),
        (404, "<html>Not Found</html>".to_owned(), None),
    ] {
        for acknowledge in [false, true] {
            let stand_in = StandIn::start(Manner { acknowledge, ..Manner::default() }).await;
            stand_in.play(Trick::AnswerHealth(status, body.clone()));
            let mut sink = HecSink::new(&options(&[&stand_in], acknowledge)).unwrap();
            let found = sink.probe().await.err().map(|fault| fault.verdict());
            assert_eq!((found, stand_in.tricks_left()), (verdict, 0), "{status} {body}");
        }
    }
}
