//! Where a listener is reached.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

use crate::desired::Listener;

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

    /// One attempt, unbounded in time.
    pub(super) async fn connect(&self) -> io::Result<Stream> {
        match self {
            Self::Tcp(address) => Ok(Stream::Tcp(not_ourselves(TcpStream::connect(address).await?)?)),
            Self::Named(name, port) => {
                Ok(Stream::Tcp(not_ourselves(TcpStream::connect((name.as_str(), *port)).await?)?))
            }
            Self::Unix(path) => UnixStream::connect(path).await.map(Stream::Unix),
            Self::Nowhere => {
                Err(io::Error::new(io::ErrorKind::InvalidInput, "the listener has neither port nor socket"))
            }
        }
    }
}

/// A connection to a free port of the ephemeral range can meet itself: the kernel picks that very port as the source,
/// and TCP's simultaneous open (RFC 9293 3.5) succeeds with nobody there. It is no answer, and it must go at once and
/// without `TIME_WAIT`, or it keeps the service from binding its port.
pub(super) fn not_ourselves(stream: TcpStream) -> io::Result<TcpStream> {
    if stream.local_addr()? == stream.peer_addr()? {
        stream.set_zero_linger()?;
        return Err(io::ErrorKind::ConnectionRefused.into());
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

/// An established connection.
pub(super) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    /// The next bytes; none means that the peer closed.
    pub(super) async fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.both().read(into).await
    }

    pub(super) async fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.both().write_all(bytes).await
    }

    fn both(&mut self) -> &mut dyn ReadWrite {
        match self {
            Self::Tcp(stream) => stream,
            Self::Unix(stream) => stream,
        }
    }
}

trait ReadWrite: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> ReadWrite for T {}
