//! The choices of the options: what an event looks like, TLS, tokens, probes, several indexers.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use fault::Verdict;
use secrecy::SecretString;
use sink::suite::{batch, record};
use sink::{Fates, Sink, Word};
use sink_splunk_hec::stand_in::{Manner, StandIn, Trick};
use sink_splunk_hec::{ByTenant, HecOptions, HecSink, TlsOptions, preview};
use tokio::time::timeout;

use crate::lane::{copies, deliver, numbered, options};

/// Guarantee: what *settled* is worth is said as it is, and follows the choice and nothing else.
#[tokio::test]
async fn the_word_follows_the_choice() {
    let stand_in = StandIn::start(Manner::default()).await;
    assert_eq!(HecSink::new(&options(&[&stand_in], true)).unwrap().word(), Word::Durable);
    assert_eq!(HecSink::new(&options(&[&stand_in], false)).unwrap().word(), Word::Accepted);
}

/// Guarantee: an event arrives with its words, its time, its tenant and its record id, as the preview shows it.
#[tokio::test]
async fn an_event_arrives_as_it_is_shown() {
    let stand_in = StandIn::start(Manner::default()).await;
    let options = HecOptions { index: ByTenant::all("edr"), ..options(&[&stand_in], false) };
    let mut sink = HecSink::new(&options).unwrap();
    let alert = record("{\"id\" : \"da1\"}");
    deliver(&mut sink, std::slice::from_ref(&alert), 1).await;
    let [event] = &stand_in.events()[..] else { panic!("one event") };
    assert_eq!((event.time.as_str(), event.event.as_str()), ("1605917000.000", "{\"id\" : \"da1\"}"));
    assert_eq!((event.index.as_deref(), event.host.as_deref()), (Some("edr"), Some("desktop-2.contoso.com")));
    assert_eq!(event.source.as_deref(), Some("ms_defender_atp_alerts"));
    assert_eq!(event.sourcetype.as_deref(), Some("ms:defender:atp:alerts"));
    assert_eq!(event.fields["tenant"], "contoso");
    assert_eq!(event.fields["updated"], "2020-11-21T00:03:20.000Z");
    assert_eq!(event.fields["recordId"], "07070707070707070707070707070707");
    let shown = String::from_utf8(preview(&options, &alert)).unwrap();
    assert!(
        shown.starts_with("{\"time\":1605917000.000,") && shown.contains("\"event\":{\"id\" : \"da1\"}"),
        "{shown}"
    );
}

/// Guarantee: a collector is believed by the authority that is named and by no other, over TLS.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_is_checked() {
    let folder = tempfile::tempdir().unwrap();
    let stand_in = StandIn::start_tls(Manner::default(), folder.path()).await;
    let other = tempfile::tempdir().unwrap();
    let _other = StandIn::start_tls(Manner::default(), other.path()).await;
    let with_ca = |folder: &std::path::Path| HecOptions {
        tls: TlsOptions { ca: Some(folder.join("ca.pem")), identity: None },
        ..options(&[&stand_in], false)
    };
    let mut stranger = HecSink::new(&with_ca(other.path())).unwrap();
    let outcome = deliver(&mut stranger, &numbered(1), 1).await;
    assert_eq!(outcome.faults[0].verdict(), Verdict::Halt);
    assert!(outcome.faults[0].advice().unwrap().contains("`tls.ca`"));
    assert!(stand_in.events().is_empty());
    let mut sink = HecSink::new(&with_ca(folder.path())).unwrap();
    let records = numbered(10);
    let outcome = deliver(&mut sink, &records, 3).await;
    assert_eq!(copies(&records, &stand_in.events(), &outcome.refused), 0);
    let missing = TlsOptions { ca: Some(folder.path().join("none.pem")), identity: None };
    let fault = HecSink::new(&HecOptions { tls: missing, ..with_ca(folder.path()) }).err().unwrap();
    assert_eq!(fault.verdict(), Verdict::Halt);
}

/// Guarantee: a token that was changed in Splunk and in its place is found by itself; one that was not halts.
#[tokio::test]
async fn a_rotated_token_is_found() {
    let stand_in = StandIn::start(Manner { tokens: vec!["second".to_owned()], ..Manner::default() }).await;
    let stored = Arc::new(Mutex::new("first"));
    let read = Arc::clone(&stored);
    let token = Arc::new(move || Ok(SecretString::from(*read.lock().unwrap())));
    let mut sink = HecSink::new(&HecOptions { token, ..options(&[&stand_in], false) }).unwrap();
    let outcome = deliver(&mut sink, &numbered(4), 2).await;
    assert_eq!(outcome.faults[0].verdict(), Verdict::Halt);
    assert!(!format!("{:?}", outcome.faults[0]).contains("first"));
    sink.flush().await;
    while timeout(Duration::from_millis(20), sink.answer()).await.is_ok() {}
    *stored.lock().unwrap() = "second";
    let outcome = deliver(&mut sink, &numbered(4), 2).await;
    assert!(outcome.faults.is_empty(), "{:?}", outcome.faults);
    assert_eq!(stand_in.events().len(), 4);
}

/// Guarantee: a probe finds what keeps events from getting there, and sends none.
#[tokio::test]
async fn a_probe_sends_nothing() {
    let mut stand_in = StandIn::start(Manner { acknowledge: true, ..Manner::default() }).await;
    let mut sink = HecSink::new(&options(&[&stand_in], true)).unwrap();
    sink.probe().await.unwrap();
    let mut unacknowledged = HecSink::new(&options(&[&stand_in], false)).unwrap();
    let fault = unacknowledged.probe().await.unwrap_err();
    assert!(fault.advice().unwrap().contains("`acknowledge: true`"), "{fault:?}");
    stand_in.change(|manner| manner.acknowledge = false);
    unacknowledged.probe().await.unwrap();
    let fault = sink.probe().await.unwrap_err();
    assert!(fault.advice().unwrap().contains("`acknowledge: false`"), "{fault:?}");
    stand_in.change(|manner| manner.tokens.clear());
    assert_eq!(unacknowledged.probe().await.unwrap_err().verdict(), Verdict::Halt);
    stand_in.set_broken(true).await;
    let fault = unacknowledged.probe().await.unwrap_err();
    assert_eq!(fault.verdict(), Verdict::Retry);
    assert!(fault.advice().is_some());
    assert!(stand_in.events().is_empty());
}

/// Guarantee: with several indexers the work goes to those that take it, without a fault for the lane, until none does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn indexers_stand_in_for_each_other() {
    let mut first = StandIn::start(Manner::default()).await;
    let second = StandIn::start(Manner::default()).await;
    let mut sink = HecSink::new(&options(&[&first, &second], false)).unwrap();
    first.set_broken(true).await;
    let records = numbered(60);
    let outcome = deliver(&mut sink, &records, 2).await;
    assert!(outcome.faults.is_empty(), "{:?}", outcome.faults);
    assert_eq!(copies(&records, &second.events(), &outcome.refused), 0);
    first.set_broken(false).await;
    second.play(Trick::code(503, 23));
    second.play(Trick::code(429, 26));
    let outcome = deliver(&mut sink, &records, 2).await;
    assert!(outcome.faults.is_empty(), "{:?}", outcome.faults);
    assert_eq!(first.events().len() + second.events().len(), 120);
}

/// Guarantee: an empty batch is settled without a word to anybody.
#[tokio::test]
async fn an_empty_batch_is_settled() {
    let stand_in = StandIn::start(Manner::default()).await;
    let mut sink = HecSink::new(&options(&[&stand_in], false)).unwrap();
    sink.send(batch(1, Vec::new())).await.unwrap();
    assert!(matches!(sink.answer().await.fates, Fates::Settled));
    assert_eq!(stand_in.requests(), 0);
}
