use bytes::Bytes;
use fault::Verdict;

use super::*;

const PEER: &str = "splunk.example:8088";

fn reply(status: u16, body: &str) -> Reply {
    Reply { status, retry_after: None, body: Bytes::copy_from_slice(body.as_bytes()) }
}

fn coded(status: u16, code: u16) -> Reply {
    reply(status, &format!("{{\"text\":\"some text\",\"code\":{code}}}"))
}

/// A finding in one word.
fn word(finding: &Finding) -> String {
    let verdict = |fault: &Fault| format!("{:?}", fault.verdict()).to_lowercase();
    match finding {
        Finding::EventRefused { number, .. } => format!("event {number:?}"),
        Finding::IndexRefused { .. } => "index".to_owned(),
        Finding::NotHere(fault) => format!("not here: {}", verdict(fault)),
        Finding::Open(fault) => format!("open: {}", verdict(fault)),
        Finding::Taken { ack_id, ease } => format!("taken {ack_id:?}{}", if ease.is_some() { " at ease" } else { "" }),
        Finding::TakenUpTo { number, .. } => format!("taken up to {number}"),
        Finding::TokenRefused(fault) => format!("token: {}", verdict(fault)),
        Finding::TooLarge(fault) => format!("too large: {}", verdict(fault)),
        Finding::ChannelRefused(fault) => format!("channel: {}", verdict(fault)),
    }
}

/// Guarantee: every code of the collector has this verdict, without acknowledgement and with it.
#[test]
fn every_code_has_its_verdict() {
    for (status, code, without, with) in [
        (200, 0, "taken None", "open: halt"),
        (403, 1, "token: halt", "token: halt"),
        (401, 2, "token: halt", "token: halt"),
        (401, 3, "token: halt", "token: halt"),
        (403, 4, "token: halt", "token: halt"),
        (400, 5, "open: halt", "open: halt"),
        (400, 6, "event None", "event None"),
        (400, 7, "index", "index"),
        (500, 8, "not here: retry", "not here: retry"),
        (503, 9, "not here: retry", "not here: retry"),
        (400, 10, "open: halt", "open: halt"),
        (400, 11, "open: halt", "channel: halt"),
        (400, 12, "event None", "event None"),
        (400, 13, "event None", "event None"),
        (400, 14, "open: halt", "open: halt"),
        (400, 15, "event None", "event None"),
        (400, 16, "open: halt", "open: halt"),
        (200, 17, "open: retry", "open: retry"),
        (503, 18, "not here: retry", "not here: retry"),
        (503, 19, "not here: retry", "not here: retry"),
        (503, 20, "not here: retry", "not here: retry"),
        (400, 21, "token: halt", "token: halt"),
        (400, 22, "token: halt", "token: halt"),
        (503, 23, "not here: retry", "not here: retry"),
        (200, 24, "taken None at ease", "open: halt"),
        (200, 25, "taken None at ease", "open: halt"),
        (429, 26, "not here: retry", "not here: retry"),
        (429, 27, "not here: retry", "not here: retry"),
        (400, 28, "open: halt", "open: halt"),
        // One that nobody knows yet, by its status.
        (503, 99, "not here: retry", "not here: retry"),
        (400, 99, "open: halt", "open: halt"),
        // Success is success only where HTTP says so too.
        (500, 0, "not here: retry", "not here: retry"),
    ] {
        let reply = coded(status, code);
        assert_eq!(word(&request(PEER, &reply, false)), without, "code {code}");
        assert_eq!(word(&request(PEER, &reply, true)), with, "code {code} with acknowledgement");
    }
}

/// Guarantee: numbers and ids of answers are read, and what is no answer of the collector settles nothing.
#[test]
fn answers_are_read_whole() {
    for (status, body, expected) in [
        (200, r#"{"text":"Success","code":0,"ackId":7}"#, "taken Some(7)"),
        (200, r#"{"text":"Success","code":24,"ackId":0}"#, "taken Some(0) at ease"),
        (400, r#"{"text":"Invalid data format","code":6,"invalid-event-number":3}"#, "event Some(3)"),
        (503, r#"{"text":"Server is busy","code":9,"invalid-event-number":2}"#, "taken up to 2"),
        (200, r#"{"text":"Success","co"#, "open: retry"),
        (200, "<html>Welcome</html>", "open: retry"),
        (200, "", "open: retry"),
        (200, "{}", "open: retry"),
        (204, "", "open: retry"),
        (302, "", "open: halt"),
        (401, "<html>", "token: halt"),
        (404, "<html>Not Found</html>", "open: halt"),
        (405, r#"{"messages":[{"type":"ERROR"}]}"#, "open: halt"),
        (408, "", "not here: retry"),
        (413, "<html>Content-Length of 900001 too large</html>", "too large: reject"),
        (415, "<html>", "open: halt"),
        (429, "", "not here: retry"),
        (500, "", "not here: retry"),
        (502, "<html>Bad Gateway</html>", "not here: retry"),
        (503, "<html>", "not here: retry"),
        (504, "", "not here: retry"),
    ] {
        assert_eq!(word(&request(PEER, &reply(status, body), true)), expected, "{status} {body}");
    }
}

/// Guarantee: whatever halts says what a person should do, and a token that gives no acknowledgements names the choice.
#[test]
fn what_halts_advises() {
    for code in [1, 2, 3, 4, 5, 10, 11, 14, 16, 21, 22, 28, 99] {
        for acknowledge in [false, true] {
            match request(PEER, &coded(400, code), acknowledge) {
                Finding::Open(fault) | Finding::TokenRefused(fault) | Finding::ChannelRefused(fault) => {
                    assert_eq!(fault.verdict(), Verdict::Halt);
                    assert!(fault.advice().is_some(), "code {code}");
                }
                finding => panic!("code {code}: {finding:?}"),
            }
        }
    }
    for reply in [coded(400, 14), coded(200, 0)] {
        let Finding::Open(fault) = request(PEER, &reply, true) else { panic!("it halts") };
        assert!(fault.advice().unwrap().contains("`acknowledge: false`"));
    }
    assert!(index(PEER, "HEC code 7").advice().is_some());
}

/// Guarantee: foreign text stays on its line and short, and a hint is kept.
#[test]
fn foreign_text_is_quoted() {
    let body = format!("{{\"code\":9,\"text\":\"line\\n{}\"}}", "x".repeat(1_000));
    let hinted = Reply { retry_after: Some(Duration::from_secs(17)), ..reply(503, &body) };
    let Finding::NotHere(fault) = request(PEER, &hinted, false) else { panic!("it is busy") };
    let text = format!("{fault:#}");
    assert!(text.starts_with("failed to deliver to splunk.example:8088: HEC code 9, line\\nxxx"), "{text}");
    assert!(text.len() < 300 && !text.contains('\n'));
    assert_eq!(fault.retry_after(), Some(Duration::from_secs(17)));
}

/// Guarantee: only a whole answer to the question acknowledges; what may have hidden a yes is told from what did not.
#[test]
fn questions_are_answered() {
    for (status, body, expected) in [
        (200, r#"{"acks":{"0":true,"1":false}}"#, "acknowledged [0]"),
        (200, r#"{"acks":{"0":tr"#, "unheard"),
        (200, "<html>", "unheard"),
        (400, r#"{"text":"Invalid data channel","code":11}"#, "channel lost"),
        (400, r#"{"text":"ACK is disabled","code":14}"#, "halted"),
        (400, r#"{"text":"Data channel is missing","code":10}"#, "halted"),
        (400, r#"{"text":"sticky session","code":28}"#, "halted"),
        (404, "<html>", "halted"),
        (403, r#"{"text":"Invalid token","code":4}"#, "token"),
        (401, "", "token"),
        (503, r#"{"text":"Server is busy","code":9}"#, "not now"),
        (503, "<html>", "not now"),
        (400, r#"{"text":"?","code":99}"#, "not now"),
    ] {
        let word = match question(PEER, &reply(status, body)) {
            Word::Acknowledged(ids) => format!("acknowledged {ids:?}"),
            Word::ChannelLost(_) => "channel lost".to_owned(),
            Word::Halted(fault) => {
                assert!(fault.advice().is_some());
                "halted".to_owned()
            }
            Word::NotNow(_) => "not now".to_owned(),
            Word::TokenRefused(_) => "token".to_owned(),
            Word::Unheard(_) => "unheard".to_owned(),
        };
        assert_eq!(word, expected, "{status} {body}");
    }
}

#[test]
fn a_probe_knows_what_is_well() {
    assert!(health(PEER, &coded(200, 17)).is_ok());
    assert!(health(PEER, &reply(404, "<html>")).is_ok(), "not every collector has it");
    assert_eq!(health(PEER, &coded(503, 18)).unwrap_err().verdict(), Verdict::Retry);
    assert_eq!(health(PEER, &coded(400, 21)).unwrap_err().verdict(), Verdict::Halt);
    assert!(probed(PEER, &coded(400, 5), false).is_ok());
    assert!(probed(PEER, &coded(403, 4), false).unwrap_err().is_of_token);
    assert!(probed(PEER, &reply(404, ""), false).is_err());
    assert!(probed(PEER, &reply(200, "{\"acks\":{\"0\":false}}"), true).is_ok());
    assert_eq!(probed(PEER, &coded(400, 14), true).unwrap_err().fault.verdict(), Verdict::Halt);
}
