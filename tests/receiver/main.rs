//! `frame-receiver --port PORT --file FILE`: a syslog receiver over TCP that reads no further than the frame at hand and
//! writes it down before it reads the next.
//!
//! So all that a sender can lose is what lies in the buffers of the two kernels, and the one frame that was read and not
//! yet written when the process was killed. A line of the file is the frame's length, a space and the frame: a torn one
//! is known by it. On SIGTERM the frame at hand is finished, and all connections end with the process.

mod frame;

use std::error::Error;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use tokio::signal::unix::{SignalKind, signal};

use crate::frame::Frame;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (port, path) = match arguments.as_slice() {
        ["--port", port, "--file", path] => (port.parse::<u16>()?, Path::new(path)),
        _ => return Err("usage: frame-receiver --port PORT --file FILE".into()),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut asked_to_stop = runtime.block_on(async { signal(SignalKind::terminate()) })?;
    let file = Arc::new(Mutex::new(open(path)?));
    // The standard library lets a listener take the address of one that has just ended (SO_REUSEADDR).
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    let shared = Arc::clone(&file);
    thread::spawn(move || accept(&listener, &shared));
    runtime.block_on(asked_to_stop.recv());
    // Whoever had it has written its frame, and nobody reads another.
    let _held = file.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(())
}

/// Opens the file behind what earlier processes wrote. A line that one of them left torn ends here.
fn open(path: &Path) -> io::Result<File> {
    let mut file = File::options().create(true).read(true).append(true).open(path)?;
    let mut last = [b'\n'];
    if file.seek(SeekFrom::End(0))? > 0 {
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
    }
    if last != [b'\n'] {
        file.write_all(b"\n")?;
    }
    Ok(file)
}

fn accept(listener: &TcpListener, file: &Arc<Mutex<File>>) {
    for stream in listener.incoming() {
        let file = Arc::clone(file);
        thread::spawn(move || match stream.and_then(|stream| receive(stream, &file)) {
            Ok(()) => {}
            Err(error) => eprintln!("a connection ended: {error}"),
        });
    }
}

/// Takes frames from a connection until its other end closes it.
fn receive(mut stream: TcpStream, file: &Mutex<File>) -> io::Result<()> {
    let mut waiting = vec![0; 16 << 10];
    let mut frame = Frame::default();
    loop {
        let there = stream.peek(&mut waiting)?;
        if there == 0 {
            return if frame.is_empty() { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
        }
        let taken = frame.wants(&waiting[..there])?;
        let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
        stream.read_exact(&mut waiting[..taken])?;
        if let Some(line) = frame.take(&waiting[..taken]) {
            file.write_all(&line)?;
        }
    }
}
