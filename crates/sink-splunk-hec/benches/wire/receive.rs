//! The receiver: it reads everything, says that it was taken, and acknowledges all it is asked for.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

/// Serves until it is killed.
pub(crate) fn receive() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
    println!("http://{}", listener.local_addr().expect("it listens"));
    for stream in listener.incoming() {
        let stream = stream.expect("a connection can be taken");
        // A client that goes ends its connection only.
        thread::spawn(move || drop(serve(stream)));
    }
}

fn serve(stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::with_capacity(256 << 10, stream.try_clone()?);
    let mut writer = stream;
    let mut next_id = 0;
    loop {
        let (mut line, mut length, mut asks) = (String::new(), 0, false);
        loop {
            line.clear();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let text = line.trim().to_ascii_lowercase();
            if text.is_empty() {
                break;
            }
            asks |= text.starts_with("post /services/collector/ack");
            if let Some(value) = text.strip_prefix("content-length:") {
                length = value.trim().parse().map_err(io::Error::other)?;
            }
        }
        let mut body = reader.by_ref().take(length);
        let answer = if asks {
            let mut question = String::new();
            body.read_to_string(&mut question)?;
            acknowledged(&question)
        } else {
            io::copy(&mut body, &mut io::sink())?;
            next_id += 1;
            format!("{{\"text\":\"Success\",\"code\":0,\"ackId\":{}}}", next_id - 1)
        };
        write!(
            writer,
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{answer}",
            answer.len()
        )?;
    }
}

/// Every id of a question, as true.
fn acknowledged(question: &str) -> String {
    let ids = question.split(|char: char| !char.is_ascii_digit()).filter(|id| !id.is_empty());
    let answers: Vec<String> = ids.map(|id| format!("\"{id}\":true")).collect();
    format!("{{\"acks\":{{{}}}}}", answers.join(","))
}
