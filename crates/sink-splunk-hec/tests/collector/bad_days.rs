//! A collector that has days on which all goes wrong at once, indexers that die, requests that do not fit: nothing is
//! lost, and what comes twice is bounded and named.

use std::time::Duration;

use fault::Verdict;
use sink::Sink;
use sink_splunk_hec::stand_in::{Manner, StandIn, Trick};
use sink_splunk_hec::{Acknowledgement, ByTenant, HecOptions, HecSink, Payload};
use tokio::time::timeout;

use crate::lane::{copies, deliver, numbered, options, records};

const BATCH: usize = 5;

async fn collector(acknowledge: bool) -> StandIn {
    StandIn::start(Manner { acknowledge, ..Manner::default() }).await
}

fn answer(status: u16, body: &str) -> Trick {
    Trick::Answer { status, body: body.to_owned(), header: None }
}

/// Guarantee: a token without acknowledgements halts before anything is sent, and names the choice; nothing is
/// downgraded in silence.
#[tokio::test]
async fn acknowledgement_is_never_given_up_in_silence() {
    let stand_in = collector(false).await;
    let mut sink = HecSink::new(&options(&[&stand_in], true)).unwrap();
    for _ in 0..3 {
        let outcome = deliver(&mut sink, &numbered(1), 1).await;
        assert_eq!(outcome.faults[0].verdict(), Verdict::Halt);
        assert!(outcome.faults[0].advice().unwrap().contains("`acknowledge: false`"));
    }
    assert_eq!(stand_in.requests(), 0);
    stand_in.change(|manner| manner.acknowledge = true);
    let records = numbered(20);
    let outcome = deliver(&mut sink, &records, BATCH).await;
    assert!(outcome.faults.is_empty(), "{:?}", outcome.faults);
    assert_eq!(copies(&records, &stand_in.events(), &outcome.refused), 0);
}

/// Guarantee: an event that the collector refuses becomes one dead letter with the reason, and its neighbours arrive:
/// once without acknowledgement; with it, those before it at most once more, for no acknowledgement came for them. That
/// holds for an empty text as for a payload that breaks off inside its JSON.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invalid_event_is_refused_alone() {
    let kinds = [
        (Payload::Text, ""),
        (Payload::JsonObject, ""),
        (Payload::JsonObject, "{\"open\":1"),
        (Payload::JsonObject, "{\"text\":\"open"),
        (Payload::JsonObject, "\"a\":1}"),
    ];
    for ((payload, odd), acknowledge) in kinds.into_iter().flat_map(|kind| [(kind, false), (kind, true)]) {
        for place in 0..BATCH {
            let stand_in = collector(acknowledge).await;
            let options = HecOptions { payload, ..options(&[&stand_in], acknowledge) };
            let mut sink = HecSink::new(&options).unwrap();
            let numbered = |number: usize| format!("{{\"number\":{number}}}");
            let records = records((0..BATCH).map(|n| if n == place { odd.to_owned() } else { numbered(n) }));
            let outcome = deliver(&mut sink, &records, BATCH).await;
            assert_eq!(outcome.refused.keys().collect::<Vec<_>>(), [odd]);
            assert!(outcome.faults.is_empty(), "{:?}", outcome.faults);
            let copies = copies(&records, &stand_in.events(), &outcome.refused);
            assert!(copies <= if acknowledge { place } else { 0 }, "{copies} copies of {odd:?} at {place}");
        }
    }
}

/// Guarantee: a collector that takes less than we were told gets halves, until what it can never take is alone and is
/// refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_large_is_halved() {
    for acknowledge in [false, true] {
        let stand_in = StandIn::start(Manner { acknowledge, max_content: 2_000, ..Manner::default() }).await;
        let options = HecOptions { gzip: false, ..options(&[&stand_in], acknowledge) };
        let mut sink = HecSink::new(&options).unwrap();
        let huge = format!("{{\"huge\":\"{}\"}}", "x".repeat(3_000));
        let numbers = (0..40).map(|number| format!("{{\"number\":{number}}}"));
        let records = records(numbers.chain([huge.clone()]));
        let outcome = deliver(&mut sink, &records, 41).await;
        assert_eq!(outcome.refused.keys().collect::<Vec<_>>(), [&huge]);
        assert_eq!(copies(&records, &stand_in.events(), &outcome.refused), 0);
    }
}

/// Scenario: Splunk Cloud, which says that the first event is invalid where it means that there are too many bytes.
/// Guarantee: no event is refused for that.
#[tokio::test]
async fn the_first_event_is_not_blamed_for_the_size() {
    let stand_in = collector(false).await;
    let blamed = r#"{"text":"Invalid data format","code":6,"invalid-event-number":0}"#;
    stand_in.play(answer(400, blamed));
    let mut sink = HecSink::new(&options(&[&stand_in], false)).unwrap();
    let records = numbered(8);
    let outcome = deliver(&mut sink, &records, 8).await;
    assert!(outcome.refused.is_empty());
    assert_eq!(copies(&records, &stand_in.events(), &outcome.refused), 0);
    assert_eq!(stand_in.requests(), 3, "the whole, and its halves");
}

/// Guarantee: our own limit of a request is kept, whatever the lane hands over.
#[tokio::test]
async fn our_own_limit_is_kept() {
    let stand_in = StandIn::start(Manner { max_content: 2_000, ..Manner::default() }).await;
    let options = HecOptions { max_content: 2_000, gzip: false, ..options(&[&stand_in], false) };
    let mut sink = HecSink::new(&options).unwrap();
    let records = numbered(50);
    let outcome = deliver(&mut sink, &records, 50).await;
    assert!(outcome.faults.is_empty() && outcome.refused.is_empty());
    assert_eq!(copies(&records, &stand_in.events(), &outcome.refused), 0);
}

/// Guarantee: an index that the token may not write to is the trouble of its tenants alone; one that all share halts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_index_is_the_trouble_of_its_tenants() {
    let manner = Manner { indexes: vec!["good".to_owned()], ..Manner::default() };
    let stand_in = StandIn::start(manner).await;
    let named = [("fabrikam".to_owned(), "bad".to_owned())].into();
    let index = ByTenant { otherwise: Some("good".to_owned()), named };
    let mut sink = HecSink::new(&HecOptions { index, ..options(&[&stand_in], false) }).unwrap();
    let mut records = numbered(9);
    records.iter_mut().step_by(3).for_each(|record| record.tenant = "fabrikam".into());
    let outcome = deliver(&mut sink, &records, 9).await;
    assert_eq!(outcome.refused.len(), 3);
    assert!(outcome.refused.values().all(|reason| reason.contains("index bad")));
    copies(&records, &stand_in.events(), &outcome.refused);

    let index = ByTenant::all("bad");
    let mut sink = HecSink::new(&HecOptions { index, ..options(&[&stand_in], false) }).unwrap();
    let outcome = deliver(&mut sink, &records, 9).await;
    assert_eq!(outcome.faults[0].verdict(), Verdict::Halt);
    assert!(outcome.faults[0].advice().unwrap().contains("`index`"));
}

/// Every way in which a word of the collector can get lost on its way.
fn bad_day(acknowledge: bool) -> Vec<Trick> {
    let garbage = |body: &str| Trick::TakeAndAnswer(200, body.to_owned());
    let mut tricks = vec![
        Trick::CutBefore,
        Trick::CutAfter,
        Trick::CutInside,
        garbage("<html>Welcome to the café</html>"),
        garbage("{\"text\":\"Succ"),
        garbage(""),
    ];
    if acknowledge {
        tricks.extend([
            Trick::LoseAcks,
            Trick::GarbleAcks,
            Trick::CrossAcks,
            Trick::ChangeCookie,
            Trick::RepeatId,
            Trick::ForgetChannel,
            Trick::AnswerAcks(503, "{\"text\":\"Server is busy\",\"code\":9}".to_owned()),
            Trick::AnswerAcks(502, "<html>Bad Gateway</html>".to_owned()),
        ]);
    }
    tricks
}

/// Scenario: every such trick alone, and then all of them in random order, with one indexer and with three behind one
/// address. Guarantee: nothing is lost, and at most one request is repeated for each word that got lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_words_repeat_one_request_each() {
    for acknowledge in [false, true] {
        for trick in bad_day(acknowledge) {
            one_bad_day(acknowledge, 1, vec![trick]).await;
        }
        for indexers in [1, 3] {
            for seed in 0..4 {
                let mut random = fastrand::Rng::with_seed(seed);
                let kinds = bad_day(acknowledge);
                let tricks = (0..25).map(|_| kinds[random.usize(..kinds.len())].clone()).collect();
                one_bad_day(acknowledge, indexers, tricks).await;
            }
        }
    }
}

async fn one_bad_day(acknowledge: bool, indexers: usize, tricks: Vec<Trick>) {
    let stand_in = StandIn::start(Manner { acknowledge, indexers, ..Manner::default() }).await;
    let mut sink = HecSink::new(&options(&[&stand_in], acknowledge)).unwrap();
    tricks.iter().for_each(|trick| stand_in.play(trick.clone()));
    let (mut sent, mut round) = (Vec::new(), 0);
    // Some tricks wait for a question or for a request, so there must be some of both until all are played.
    while round == 0 || stand_in.tricks_left() > 0 {
        assert!(round < 200, "never played: {tricks:?}");
        let fresh = records((0..40).map(|number| format!("{{\"round\":{round},\"number\":{number}}}")));
        let outcome = deliver(&mut sink, &fresh, BATCH).await;
        assert!(outcome.refused.is_empty(), "{tricks:?}: {:?}", outcome.refused);
        assert!(
            outcome.faults.iter().all(|fault| fault.verdict() == Verdict::Retry),
            "{tricks:?}: {:?}",
            outcome.faults
        );
        sent.extend(fresh);
        round += 1;
    }
    let copies = copies(&sent, &stand_in.events(), &Default::default());
    let allowed = stand_in.unheard() * BATCH;
    assert!(copies <= allowed, "{copies} copies where {allowed} are allowed: {tricks:?}");
}

/// Scenario: a load balancer that renews its cookie with every answer, though it leads to the same indexer.
/// Guarantee: nothing is repeated for that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewed_cookie_repeats_nothing() {
    let manner =
        Manner { acknowledge: true, acknowledge_after: 2, indexers: 3, renew_cookies: true, ..Manner::default() };
    let stand_in = StandIn::start(manner).await;
    let mut sink = HecSink::new(&options(&[&stand_in], true)).unwrap();
    let records = numbered(100);
    let outcome = deliver(&mut sink, &records, BATCH).await;
    assert!(outcome.faults.is_empty(), "{:?}", outcome.faults);
    assert_eq!(copies(&records, &stand_in.events(), &outcome.refused), 0);
}

/// Scenario: a collector that ends each connection with its answer, acknowledgements come late.
/// Guarantee: everything arrives, and nothing is repeated for that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_may_keep_no_connection() {
    for acknowledge in [false, true] {
        let manner = Manner { acknowledge, acknowledge_after: 6, keeps_no_connection: true, ..Manner::default() };
        let stand_in = StandIn::start(manner).await;
        let mut sink = HecSink::new(&options(&[&stand_in], acknowledge)).unwrap();
        let records = numbered(100);
        let outcome = deliver(&mut sink, &records, BATCH).await;
        assert!(outcome.faults.is_empty(), "{:?}", outcome.faults);
        assert_eq!(copies(&records, &stand_in.events(), &outcome.refused), 0);
    }
}

/// Scenario: an indexer dies again and again, and loses each time what it has not acknowledged.
/// Guarantee: what is settled is still there at the end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_indexer_that_dies_takes_nothing_settled_with_it() {
    let manner = Manner { acknowledge: true, acknowledge_after: 1, ..Manner::default() };
    let mut stand_in = StandIn::start(manner).await;
    let mut sink = HecSink::new(&options(&[&stand_in], true)).unwrap();
    let mut sent = Vec::new();
    for round in 0..10 {
        let records = records((0..60).map(|number| format!("{{\"round\":{round},\"number\":{number}}}")));
        let dying = async {
            tokio::time::sleep(Duration::from_millis(3 + round)).await;
            stand_in.restart().await;
        };
        let (outcome, ()) = tokio::join!(deliver(&mut sink, &records, BATCH), dying);
        assert!(outcome.refused.is_empty());
        sent.extend(records);
    }
    copies(&sent, &stand_in.events(), &Default::default());
}

/// Guarantee: what is never acknowledged is left open once its time is over, and a flush ends with that.
#[tokio::test]
async fn what_is_never_acknowledged_is_left_open() {
    let manner = Manner { acknowledge: true, acknowledge_after: u32::MAX, ..Manner::default() };
    let stand_in = StandIn::start(manner).await;
    let rule = Acknowledgement { ask_after: Duration::from_millis(5), give_up_after: Duration::from_millis(60) };
    let mut sink = HecSink::new(&HecOptions { acknowledge: Some(rule), ..options(&[&stand_in], true) }).unwrap();
    sink.send(sink::suite::batch(1, numbered(1))).await.unwrap();
    sink.flush().await;
    let answer = timeout(Duration::from_millis(50), sink.answer()).await.expect("a flushed batch has its answer");
    let sink::Fates::Open(fault) = answer.fates else { panic!("it is open: {answer:?}") };
    assert_eq!(fault.verdict(), Verdict::Retry);
    assert!(fault.advice().unwrap().contains("sticky sessions"));
}
