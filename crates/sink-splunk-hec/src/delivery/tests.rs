use sink::suite::{batch, record};

use super::*;

fn delivery(tenants: &[&str]) -> Delivery {
    let of = |tenant: &&str| Record { tenant: (*tenant).into(), ..record("{}") };
    Delivery::new(batch(1, tenants.iter().map(of).collect()))
}

/// The fates in short: settled, refused, open.
fn fates(answer: &Answer) -> String {
    match &answer.fates {
        Fates::Each(fates) => fates
            .iter()
            .map(|fate| match fate {
                Fate::Settled => 's',
                Fate::Refused(_) => 'r',
                Fate::Open(fault) => {
                    assert_ne!(fault.verdict(), Verdict::Reject, "a Reject of one record makes a dead letter");
                    'o'
                }
            })
            .collect(),
        Fates::Open(fault) => format!("all open: {:?}", fault.verdict()),
        Fates::Settled => "all settled".to_owned(),
    }
}

fn refuse(delivery: &mut Delivery, number: usize, acknowledge: bool) -> Next {
    delivery.event_refused(Some(number), "HEC code 6".to_owned(), acknowledge)
}

/// Guarantee: of a request that was taken up to an invalid event, what came before is settled, the event is refused and
/// the rest goes again.
#[test]
fn an_invalid_event_is_refused_alone() {
    let mut delivery = delivery(&["a"; 4]);
    assert!(matches!(refuse(&mut delivery, 1, false), Next::Send));
    assert_eq!(delivery.request().1, [2, 3]);
    assert!(matches!(refuse(&mut delivery, 0, false), Next::Send), "it got further before, so it is not too large");
    assert!(matches!(delivery.settled(), Next::Tell(None)));
    assert_eq!(fates(&delivery.answer(None)), "srrs");
}

/// Guarantee: where acknowledgements are asked for, nothing is settled without one, so what was taken goes again.
#[test]
fn with_acknowledgement_nothing_is_settled_without_one() {
    let mut delivery = delivery(&["a"; 3]);
    assert!(matches!(refuse(&mut delivery, 2, true), Next::Send));
    assert_eq!(delivery.request().1, [0, 1]);
    let Next::Tell(Some(fault)) = delivery.taken_up_to(1, Fault::retry("busy"), true) else { panic!("it is busy") };
    assert_eq!(fates(&delivery.answer(Some(&fault))), "oor");
}

/// Guarantee: the first of several is not refused on a word that may mean the size of the request: the lane halves.
#[test]
fn the_first_of_several_may_stand_for_the_size() {
    for number in [Some(0), Some(3), None] {
        let mut delivery = delivery(&["a"; 3]);
        let next = delivery.event_refused(number, "HEC code 6".to_owned(), false);
        let Next::Tell(Some(fault)) = next else { panic!("it is halved") };
        assert_eq!(fates(&delivery.answer(Some(&fault))), "all open: Reject");
    }
    for number in [Some(0), Some(3), None] {
        let mut alone = delivery(&["a"]);
        assert!(matches!(alone.event_refused(number, "HEC code 6".to_owned(), false), Next::Tell(None)));
        assert_eq!(fates(&alone.answer(None)), "r");
    }
}

/// Guarantee: a request that is too large after some of the batch had their fate makes no dead letters.
#[test]
fn a_rest_that_is_too_large_stays_open() {
    let mut delivery = delivery(&["a"; 3]);
    refuse(&mut delivery, 1, false);
    let Next::Tell(Some(fault)) = delivery.too_large(Fault::reject("413")) else { panic!("it is told") };
    assert_eq!(fates(&delivery.answer(Some(&fault))), "sro");
}

#[test]
fn a_busy_indexer_may_have_taken_some() {
    let mut some = delivery(&["a"; 3]);
    let Next::Tell(fault) = some.taken_up_to(2, Fault::retry("busy"), false) else { panic!("it is busy") };
    assert_eq!(fates(&some.answer(fault.as_ref())), "sso");
    let mut odd = delivery(&["a"; 3]);
    let Next::Tell(fault) = odd.taken_up_to(4, Fault::retry("busy"), false) else { panic!("it is busy") };
    assert_eq!(fates(&odd.answer(fault.as_ref())), "all open: Retry", "a number beyond the batch says nothing");
}

/// Guarantee: of several indexes only the records of the refused one become dead letters; one that all share halts.
#[test]
fn a_refused_index_is_the_trouble_of_its_tenants() {
    let index = |record: &Record| Some(record.tenant.to_string());
    let mut mixed = delivery(&["a", "b", "a", "c"]);
    let mut requests = Vec::new();
    let mut next = mixed.index_refused("HEC code 7", index, || None);
    while matches!(next, Next::Send) {
        let places = mixed.request().1.to_vec();
        let is_refused = places.iter().any(|place| &*mixed.batch.records[*place].tenant == "b");
        requests.push(places);
        next = if is_refused { mixed.index_refused("HEC code 7", index, || None) } else { mixed.settled() };
    }
    assert_eq!(requests, [vec![0, 2], vec![1, 3], vec![1], vec![3]]);
    assert_eq!(fates(&mixed.answer(None)), "srss");

    let mut one = delivery(&["a", "b"]);
    let next = one.index_refused("HEC code 7", |_| None, || Some(Fault::halt("no such index")));
    let Next::Tell(Some(fault)) = next else { panic!("it halts") };
    assert_eq!(fates(&one.answer(Some(&fault))), "all open: Halt");
}
