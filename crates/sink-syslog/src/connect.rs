//! Connections to receivers: to which of them, over what sockets, within what time.

mod stream;
#[cfg(test)]
mod tests;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use fault::{Fault, Verdict};
use rustls::pki_types::ServerName;
use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};
use tokio::net::{TcpSocket, UdpSocket, lookup_host};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use tracing::warn;

pub(crate) use self::stream::Stream;
use crate::options::{Address, Spread, SyslogOptions, Transport};
use crate::{classify, tls};

/// The longest that one address of the list may take: its name, its sockets and the TLS handshake.
const CONNECT_TIME: Duration = Duration::from_secs(10);

/// How long written bytes may stay without the peer's acknowledgement (`TCP_USER_TIMEOUT`, RFC 5482): without it a
/// peer behind a black hole is noticed after a quarter of an hour.
const UNACKNOWLEDGED_TIME: Duration = Duration::from_secs(10);

/// Bytes of the socket's send buffer. A lost connection takes with it what the kernel has taken, so little is given.
const SEND_BUFFER: usize = 64 * 1024;

/// Connects to the receivers of one sink.
pub(crate) struct Connector {
    targets: Vec<Target>,
    spread: Spread,
    /// The target that the next connection begins with, where they take turns.
    next: usize,
    connect_time: Duration,
}

/// A connected stream.
pub(crate) struct Connection {
    /// The stream.
    pub(crate) stream: Stream,
    /// `host:port`, for logs and faults.
    pub(crate) peer: String,
}

impl Connector {
    /// Reads the files of authority, certificate and key.
    ///
    /// # Errors
    /// Halts where a file cannot be read or used, and where a name cannot be one of a certificate.
    pub(crate) fn new(options: &SyslogOptions) -> Result<Self, Fault> {
        let tls = match options.transport {
            Transport::Tls | Transport::RelpTls => Some(tls::connector(&options.tls)?),
            Transport::Tcp | Transport::Relp | Transport::Udp => None,
        };
        let server_name = options.tls.server_name.as_deref();
        let mut targets = Vec::with_capacity(options.addresses.len());
        for address in &options.addresses {
            targets.push(Target::new(address, tls.as_ref(), server_name)?);
        }
        Ok(Self { targets, spread: options.spread, next: 0, connect_time: CONNECT_TIME })
    }

    /// Connects to the first address that can be had, each tried once, the first of them as `spread` says.
    ///
    /// # Errors
    /// The most telling fault of all addresses: one that a person must mend before one that may pass.
    pub(crate) async fn connect(&mut self) -> Result<Connection, Fault> {
        let mut failures = Failures::default();
        for turn in self.round() {
            let target = &self.targets[turn];
            match target.connect(Instant::now() + self.connect_time).await {
                Ok(stream) => {
                    let peer = target.peer.clone();
                    self.next = turn + 1;
                    return Ok(Connection { stream, peer });
                }
                Err(fault) => failures.add(fault, self.targets.len()),
            }
        }
        Err(failures.most_telling())
    }

    /// Makes a UDP socket that is connected, so that a refusal by the receiver's machine shows; and `host:port`, for
    /// logs and faults. The choice of the address is that of [`Connector::connect`].
    ///
    /// # Errors
    /// Asks to try again where no address has a name or a route that works.
    pub(crate) async fn connect_udp(&mut self) -> Result<(UdpSocket, String), Fault> {
        let mut failures = Failures::default();
        for turn in self.round() {
            let target = &self.targets[turn];
            match target.connect_udp(Instant::now() + self.connect_time).await {
                Ok(socket) => {
                    let peer = target.peer.clone();
                    self.next = turn + 1;
                    return Ok((socket, peer));
                }
                Err(fault) => failures.add(fault, self.targets.len()),
            }
        }
        Err(failures.most_telling())
    }

    /// The targets in the order in which this connection tries them.
    fn round(&self) -> impl Iterator<Item = usize> + use<> {
        let count = self.targets.len();
        let first = match self.spread {
            Spread::Failover => 0,
            Spread::RoundRobin => self.next,
        };
        (0..count).map(move |turn| (first + turn) % count)
    }
}

/// One address of the list.
struct Target {
    host: String,
    port: u16,
    peer: String,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

impl Target {
    fn new(address: &Address, tls: Option<&TlsConnector>, server_name: Option<&str>) -> Result<Self, Fault> {
        let Address { host, port } = address.clone();
        let peer = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        let tls = match tls {
            Some(connector) => Some((connector.clone(), tls::server_name(server_name.unwrap_or(&host))?)),
            None => None,
        };
        Ok(Self { host, port, peer, tls })
    }

    /// Tries every IP address of the name; each gets an even share of the time that is left, so that one behind a
    /// black hole does not use up the time of the others.
    async fn connect(&self, deadline: Instant) -> Result<Stream, Fault> {
        let found = self.resolve(deadline).await?;
        let mut failures = Failures::default();
        for (tried, &address) in found.iter().enumerate() {
            let now = Instant::now();
            let left = u32::try_from(found.len() - tried).unwrap_or(u32::MAX);
            let until = now + deadline.saturating_duration_since(now) / left;
            match self.open(address, until).await {
                Ok(stream) => return Ok(stream),
                Err(fault) => failures.add(fault, 1),
            }
        }
        Err(failures.most_telling())
    }

    async fn connect_udp(&self, deadline: Instant) -> Result<UdpSocket, Fault> {
        let mut failures = Failures::default();
        for address in self.resolve(deadline).await? {
            match udp_socket(address).await {
                Ok(socket) => return Ok(socket),
                Err(error) => failures.add(classify::unreachable(&self.peer, error), 1),
            }
        }
        Err(failures.most_telling())
    }

    async fn resolve(&self, deadline: Instant) -> Result<Vec<SocketAddr>, Fault> {
        let found = within(deadline, lookup_host((self.host.as_str(), self.port))).await;
        let found: Vec<_> = found.map_err(|error| classify::unresolved(&self.peer, error))?.collect();
        if found.is_empty() {
            let error = io::Error::new(io::ErrorKind::NotFound, "the name has no IP address");
            return Err(classify::unresolved(&self.peer, error));
        }
        Ok(found)
    }

    async fn open(&self, address: SocketAddr, until: Instant) -> Result<Stream, Fault> {
        let unreachable = |error| classify::unreachable(&self.peer, error);
        let socket = tcp_socket(address).map_err(unreachable)?;
        let stream = within(until, socket.connect(address)).await.map_err(unreachable)?;
        let Some((connector, name)) = &self.tls else {
            return Ok(Stream::Plain(stream));
        };
        let handshake = connector.connect(name.clone(), stream);
        let stream = within(until, handshake).await.map_err(|error| classify::handshake(&self.peer, error))?;
        Ok(Stream::Tls(Box::new(stream)))
    }
}

/// What failed on the way to a connection that was not had.
#[derive(Default)]
struct Failures {
    most_telling: Option<Fault>,
}

impl Failures {
    /// `count`: among how many receivers; the fault of one of several would show nowhere else once another answers.
    fn add(&mut self, fault: Fault, count: usize) {
        if count > 1 {
            warn!(error = format!("{fault:#}"), "one of several receivers cannot be had");
        }
        let halted = self.most_telling.as_ref().is_some_and(|earlier| earlier.verdict() == Verdict::Halt);
        if !halted {
            self.most_telling = Some(fault);
        }
    }

    fn most_telling(self) -> Fault {
        let nothing = || Fault::halt("failed to find a receiver").advise("Name at least one in `address`.");
        self.most_telling.unwrap_or_else(nothing)
    }
}

/// The result of some work, or `TimedOut` where it takes too long.
async fn within<T>(deadline: Instant, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout_at(deadline, work).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// A socket that is not connected yet: the send buffer counts from the first byte only when it is set before.
fn tcp_socket(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED_TIME))?;
    let keepalive =
        TcpKeepalive::new().with_time(Duration::from_secs(10)).with_interval(Duration::from_secs(5)).with_retries(3);
    socket.set_tcp_keepalive(&keepalive)?;
    socket.set_tcp_nodelay(true)?;
    Ok(TcpSocket::from_std_stream(socket.into()))
}

async fn udp_socket(address: SocketAddr) -> io::Result<UdpSocket> {
    let any = match address {
        SocketAddr::V4(_) => IpAddr::from(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::from(Ipv6Addr::UNSPECIFIED),
    };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(address).await?;
    Ok(socket)
}
