//! Where a listener is reached.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use crate::desired::Listener;

/// Between two attempts at a Unix socket whose queue is full.
const QUEUE_PAUSE: Duration = Duration::from_millis(50);

/// Where to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Tcp(SocketAddr),
    /// A host name and a port; looked up at each attempt, because a name server may itself be starting.
    Named(String, u16),
    Unix(PathBuf),
    /// The declaration names neither port nor socket. Validation refuses that; if it comes here all the same, the
    /// listener is never ready and says why.
    Nowhere,
}

impl Place {
    /// An address that means "every interface" is reached on loopback, and so is none at all.
    pub(super) fn of(listener: &Listener) -> Self {
        if let Some(path) = &listener.socket {
            return Self::Unix(path.into());
        }
        let Some(port) = listener.port else { return Self::Nowhere };
        let text = listener.address.as_deref().unwrap_or("127.0.0.1");
        let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
        match bare.parse::<IpAddr>() {
            Ok(IpAddr::V4(ip)) if ip.is_unspecified() => Self::Tcp((Ipv4Addr::LOCALHOST, port).into()),
            Ok(IpAddr::V6(ip)) if ip.is_unspecified() => Self::Tcp((Ipv6Addr::LOCALHOST, port).into()),
            Ok(ip) => Self::Tcp((ip, port).into()),
            Err(_) if bare == "*" || bare.is_empty() => Self::Tcp((Ipv4Addr::LOCALHOST, port).into()),
            Err(_) => Self::Named(bare.to_owned(), port),
        }
    }

    /// The addresses behind a name; none where there is no name to look up.
    pub(super) async fn look_up(&self) -> io::Result<Vec<SocketAddr>> {
        match self {
            Self::Named(name, port) => Ok(tokio::net::lookup_host((name.as_str(), *port)).await?.collect()),
            Self::Tcp(_) | Self::Unix(_) | Self::Nowhere => Ok(Vec::new()),
        }
    }

    /// One attempt, unbounded in time, and whether it ends on this very host: what is said there leaves it not. `found`
    /// is what [`Self::look_up`] found.
    pub(super) async fn connect(&self, found: &[SocketAddr]) -> io::Result<(Stream, bool)> {
        let stream = match self {
            Self::Tcp(address) => TcpStream::connect(address).await?,
            Self::Named(..) => TcpStream::connect(found).await?,
            Self::Unix(path) => return Ok((connect_unix(path).await?, true)),
            Self::Nowhere => {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "the listener has neither port nor socket"));
            }
        };
        let stream = not_ourselves(stream)?;
        let is_here = stream.peer_addr()?.ip().to_canonical().is_loopback();
        Ok((Box::new(stream), is_here))
    }
}

/// Where the queue of a socket is full, connect(2) waits for TCP but fails with EAGAIN here. It is the same thing:
/// nobody accepts, and may do so yet.
async fn connect_unix(path: &Path) -> io::Result<Stream> {
    loop {
        match UnixStream::connect(path).await {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => tokio::time::sleep(QUEUE_PAUSE).await,
            stream => return Ok(Box::new(stream?)),
        }
    }
}

/// A connection to a free port of the ephemeral range can meet itself: the kernel picks that very port as the source,
/// and TCP's simultaneous open (RFC 9293 3.5) succeeds with nobody there. It is no answer, and it must go at once and
/// without `TIME_WAIT`, or it keeps the service from binding its port.
pub(super) fn not_ourselves(stream: TcpStream) -> io::Result<TcpStream> {
    if stream.local_addr()? == stream.peer_addr()? {
        stream.set_zero_linger()?;
        return Err(rustix::io::Errno::CONNREFUSED.into());
    }
    Ok(stream)
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "{address}"),
            Self::Named(name, port) => write!(f, "{name}:{port}"),
            Self::Unix(path) => write!(f, "{}", path.display()),
            Self::Nowhere => f.write_str("nowhere"),
        }
    }
}

/// An established connection, with TLS or without.
pub(super) type Stream = Box<dyn ReadWrite>;

/// What every connection can do.
pub(super) trait ReadWrite: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> ReadWrite for T {}
