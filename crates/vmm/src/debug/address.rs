//! Where a debugger connects: TCP or a socket in the file system.

use std::fmt;
use std::io::Read;
use std::io::Write;
use std::net::TcpListener;
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::os::fd::BorrowedFd;
use std::os::unix::net::UnixListener;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

/// An address as the command line names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// Host and port.
    Tcp(String, u16),
    /// A path.
    Unix(PathBuf),
}

impl Address {
    /// Reads `tcp:PORT`, `tcp:HOST:PORT` or `unix:PATH`. Without a host only this machine can connect.
    ///
    /// # Errors
    /// What is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        const CHOICES: &str = "the choices are tcp:PORT, tcp:HOST:PORT and unix:PATH";
        match text.split_once(':') {
            Some(("unix", "")) => Err("unix: names no path".to_owned()),
            Some(("unix", path)) => Ok(Self::Unix(PathBuf::from(path))),
            Some(("tcp", rest)) => {
                let (host, port) = rest.rsplit_once(':').unwrap_or(("127.0.0.1", rest));
                let host = host.trim_start_matches('[').trim_end_matches(']');
                let port = port.parse().map_err(|_| format!("'{port}' is not a port; {CHOICES}"))?;
                if host.is_empty() {
                    return Err(format!("the host is missing; {CHOICES}"));
                }
                Ok(Self::Tcp(host.to_owned(), port))
            }
            _ => Err(CHOICES.to_owned()),
        }
    }
}

/// A socket that waits for debuggers. A path it made goes away with it.
#[derive(Debug)]
pub enum Listener {
    /// TCP.
    Tcp(TcpListener),
    /// A socket with its path.
    Unix(UnixListener, PathBuf),
}

impl Listener {
    /// Starts listening.
    ///
    /// # Errors
    /// One line that says why not.
    pub fn open(address: &Address) -> Result<Self, String> {
        match address {
            Address::Tcp(host, port) => {
                let listener = TcpListener::bind((host.as_str(), *port));
                listener
                    .map(Self::Tcp)
                    .map_err(|error| format!("cannot listen on tcp:{host}:{port}: {error}"))
            }
            Address::Unix(path) => {
                // What a killed run left behind is nobody's; a socket that answers is somebody's.
                let is_left_over = UnixStream::connect(path)
                    .is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused);
                if is_left_over {
                    let _ = std::fs::remove_file(path);
                }
                let listener = UnixListener::bind(path);
                listener
                    .map(|listener| Self::Unix(listener, path.clone()))
                    .map_err(|error| format!("cannot listen on unix:{}: {error}", path.display()))
            }
        }
    }

    /// Takes the next connection.
    ///
    /// # Errors
    /// Those of the host.
    pub fn accept(&self) -> std::io::Result<Stream> {
        match self {
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept()?;
                // Packets are small and each waits for its answer.
                stream.set_nodelay(true)?;
                Ok(Stream::Tcp(stream))
            }
            Self::Unix(listener, _) => Ok(Stream::Unix(listener.accept()?.0)),
        }
    }
}

impl fmt::Display for Listener {
    /// The address with the port that the host chose when 0 was asked for.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(listener) => match listener.local_addr() {
                Ok(address) => write!(f, "tcp:{address}"),
                Err(_) => f.write_str("tcp"),
            },
            Self::Unix(_, path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(listener) => listener.as_fd(),
            Self::Unix(listener, _) => listener.as_fd(),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Self::Unix(_, path) = self {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// A connection.
#[derive(Debug)]
pub enum Stream {
    /// TCP.
    Tcp(TcpStream),
    /// A socket in the file system.
    Unix(UnixStream),
}

impl Read for Stream {
    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(bytes),
            Self::Unix(stream) => stream.read(bytes),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            Self::Unix(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Stream {
    /// Bounds how long a write may wait for a debugger that does not read.
    ///
    /// # Errors
    /// Those of the host.
    pub fn set_write_timeout(&self, limit: std::time::Duration) -> std::io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.set_write_timeout(Some(limit)),
            Self::Unix(stream) => stream.set_write_timeout(Some(limit)),
        }
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(stream) => stream.as_fd(),
            Self::Unix(stream) => stream.as_fd(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read() {
        let tcp = |host: &str, port| Ok(Address::Tcp(host.to_owned(), port));
        assert_eq!(Address::parse("tcp:1234"), tcp("127.0.0.1", 1234));
        assert_eq!(Address::parse("tcp:0.0.0.0:0"), tcp("0.0.0.0", 0));
        assert_eq!(Address::parse("tcp:[::1]:5"), tcp("::1", 5));
        assert_eq!(Address::parse("unix:/run/gdb"), Ok(Address::Unix(PathBuf::from("/run/gdb"))));
        for text in ["", "1234", "tcp:", "tcp:host", "tcp::5", "tcp:70000", "unix:", "serial:x"] {
            assert!(Address::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_socket_of_a_dead_run_is_replaced_and_a_live_one_is_not() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("socket");
        let address = Address::Unix(path.clone());
        drop(UnixListener::bind(&path).expect("a new path"));
        let first = Listener::open(&address).expect("nobody listens there");
        assert!(Listener::open(&address).is_err());
        drop(first);
        assert!(!path.exists());
    }
}
