//! Opens a connection as the settings say, and says which server answers.

use redis::{Cmd, ConnectionAddr, ConnectionInfo, ErrorKind, IntoConnectionInfo, RedisError};
use redis::{ConnectionLike, FromRedisValue, ServerErrorKind};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use std::io;
use std::net::ToSocketAddrs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::transport::{Socket, Transport};
use crate::cache::store::{Result, StoreError, Trouble};

/// Replies of a few short values.
pub const SMALL_REPLY: usize = 1024 * 1024;

/// Where Redis is and how to get in. Another value means another connection.
#[derive(Clone, PartialEq, Eq)]
pub struct Target {
    pub url: String,
    pub password_file: String,
    pub ca_file: String,
    pub certificate_file: String,
    pub key_file: String,
    pub connect_timeout: Duration,
    pub timeout: Duration,
}

/// The server at the other end, by its own account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    pub version: String,
    pub run_id: String,
}

pub fn open(target: &Target) -> Result<(Transport, Server)> {
    let info = parse_url(&target.url)?;
    let deadline = Instant::now() + target.connect_timeout;
    let mut transport = connect(target, &info, deadline)?;
    transport.bound(target.connect_timeout, SMALL_REPLY);
    let settings = info.redis_settings();
    let password = match target.password_file.as_str() {
        "" => settings.password().map(str::to_owned),
        file => Some(read_password(file)?),
    };
    if let Some(password) = password {
        let mut command = redis::cmd("AUTH");
        if let Some(user) = settings.username() {
            command.arg(user);
        }
        // the server's own words could repeat what it was sent
        query::<()>(&mut transport, command.arg(password)).map_err(|error| match error.kind {
            Trouble::Refused | Trouble::Timeout | Trouble::Reset | Trouble::Unready => error,
            _ => StoreError::new(
                Trouble::Authentication,
                "the server does not accept the user name and password",
            ),
        })?;
    }
    if settings.db() != 0 {
        query::<()>(&mut transport, redis::cmd("SELECT").arg(settings.db()))?;
    }
    transport.set_database(settings.db());
    let server = ask_server(&mut transport)?;
    transport.bound(target.timeout, SMALL_REPLY);
    Ok((transport, server))
}

/// Whether a URL carries a password, which other settings keep better.
pub fn has_password(url: &str) -> bool {
    parse_url(url).is_ok_and(|info| info.redis_settings().password().is_some())
}

pub fn parse_url(url: &str) -> Result<ConnectionInfo> {
    url.into_connection_info().map_err(|error| {
        StoreError::new(
            Trouble::Configuration,
            format!(
                "inventory_perf.redis_url is not a URL for Redis ({})",
                error.category()
            ),
        )
    })
}

fn connect(target: &Target, info: &ConnectionInfo, deadline: Instant) -> Result<Transport> {
    match info.addr() {
        ConnectionAddr::Unix(path) => Ok(Transport::plain(
            Socket::connect_unix(path, deadline).map_err(from_io)?,
        )),
        ConnectionAddr::Tcp(host, port) => {
            Ok(Transport::plain(connect_tcp(host, *port, deadline)?))
        }
        ConnectionAddr::TcpTls { insecure: true, .. } => Err(StoreError::new(
            Trouble::Configuration,
            "inventory_perf.redis_url asks to trust any certificate; set inventory_perf.redis_ca_file instead",
        )),
        ConnectionAddr::TcpTls { host, port, .. } => {
            let name = ServerName::try_from(host.clone())
                .map_err(|_| tls_trouble("the host is no name that a certificate can have"))?;
            let session = ClientConnection::new(Arc::new(tls_config(target)?), name)
                .map_err(|error| tls_trouble(error.to_string()))?;
            Ok(Transport::tls(session, connect_tcp(host, *port, deadline)?))
        }
        _ => Err(StoreError::new(
            Trouble::Configuration,
            "inventory_perf.redis_url has a scheme that is not supported",
        )),
    }
}

fn connect_tcp(host: &str, port: u16, deadline: Instant) -> Result<Socket> {
    let mut last = StoreError::new(Trouble::Refused, "the host has no address");
    for address in (host, port).to_socket_addrs().map_err(|error| {
        StoreError::new(
            Trouble::Refused,
            format!("cannot look up the host: {error}"),
        )
    })? {
        match Socket::connect_tcp(address, deadline) {
            Ok(socket) => return Ok(socket),
            Err(error) => last = from_io(error),
        }
    }
    Err(last)
}

fn tls_config(target: &Target) -> Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    if target.ca_file.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    } else {
        for certificate in certificates(&target.ca_file)? {
            roots
                .add(certificate)
                .map_err(|error| file_trouble(&target.ca_file, error))?;
        }
    }
    // The provider is named, as the server process may hold other users of this library.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| tls_trouble(error.to_string()))?
        .with_root_certificates(roots);
    if target.certificate_file.is_empty() {
        return Ok(builder.with_no_client_auth());
    }
    let key = PrivateKeyDer::from_pem_file(&target.key_file)
        .map_err(|error| file_trouble(&target.key_file, error))?;
    builder
        .with_client_auth_cert(certificates(&target.certificate_file)?, key)
        .map_err(|error| file_trouble(&target.certificate_file, error))
}

fn certificates(file: &str) -> Result<Vec<CertificateDer<'static>>> {
    let read = || CertificateDer::pem_file_iter(file)?.collect::<std::result::Result<Vec<_>, _>>();
    let certificates = read().map_err(|error| file_trouble(file, error))?;
    if certificates.is_empty() {
        return Err(file_trouble(file, "no certificate in it"));
    }
    Ok(certificates)
}

fn read_password(file: &str) -> Result<String> {
    let text = std::fs::read_to_string(file).map_err(|error| file_trouble(file, error))?;
    let password = text.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        return Err(file_trouble(file, "it is empty"));
    }
    Ok(password.to_owned())
}

fn file_trouble(file: &str, problem: impl std::fmt::Display) -> StoreError {
    StoreError::new(
        Trouble::Configuration,
        format!("cannot use file \"{file}\": {problem}"),
    )
}

fn tls_trouble(problem: impl Into<String>) -> StoreError {
    StoreError::new(Trouble::Configuration, problem)
}

fn ask_server(transport: &mut Transport) -> Result<Server> {
    let text: String = query(transport, redis::cmd("INFO").arg("server"))?;
    let field = |name: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
            .map(str::trim)
    };
    let version = match (field("valkey_version"), field("redis_version")) {
        (Some(valkey), _) => format!("valkey {valkey}"),
        (None, Some(redis)) => format!("redis {redis}"),
        (None, None) => "unknown".to_owned(),
    };
    let run_id = field("run_id")
        .filter(|run_id| !run_id.is_empty())
        .ok_or_else(|| StoreError::new(Trouble::Protocol, "the server does not tell its run_id"))?;
    Ok(Server {
        version,
        run_id: run_id.to_owned(),
    })
}

pub fn query<T: FromRedisValue>(transport: &mut Transport, command: &Cmd) -> Result<T> {
    command
        .query(transport as &mut dyn ConnectionLike)
        .map_err(from_redis)
}

pub fn from_io(error: io::Error) -> StoreError {
    use io::ErrorKind as Io;
    let kind = match error.kind() {
        Io::TimedOut | Io::WouldBlock => Trouble::Timeout,
        Io::ConnectionReset
        | Io::ConnectionAborted
        | Io::BrokenPipe
        | Io::UnexpectedEof
        | Io::NotConnected => Trouble::Reset,
        Io::InvalidData | Io::InvalidInput => Trouble::Protocol,
        _ => Trouble::Refused,
    };
    let text = match kind {
        Trouble::Timeout => "no reply in time".to_owned(),
        Trouble::Reset => "the server closed the connection".to_owned(),
        _ => error.to_string(),
    };
    StoreError::new(kind, text)
}

/// What went wrong with the connection; the client library shares it.
fn io_error(error: &RedisError) -> Option<io::Error> {
    type Shared = Arc<dyn std::error::Error + Send + Sync>;
    let source = std::error::Error::source(error)?;
    let source = match source.downcast_ref::<Shared>() {
        Some(shared) => shared.downcast_ref::<io::Error>(),
        None => source.downcast_ref::<io::Error>(),
    };
    source.map(|source| io::Error::new(source.kind(), source.to_string()))
}

pub fn from_redis(error: RedisError) -> StoreError {
    if let Some(io_error) = io_error(&error) {
        return from_io(io_error);
    }
    let kind = match error.kind() {
        ErrorKind::Io => Trouble::Reset,
        ErrorKind::AuthenticationFailed | ErrorKind::Server(ServerErrorKind::NoPerm) => {
            Trouble::Authentication
        }
        ErrorKind::Server(
            ServerErrorKind::BusyLoading
            | ServerErrorKind::ReadOnly
            | ServerErrorKind::MasterDown
            | ServerErrorKind::TryAgain,
        ) => Trouble::Unready,
        _ => match error.code() {
            Some("NOAUTH" | "WRONGPASS" | "NOPERM") => Trouble::Authentication,
            Some("OOM" | "MISCONF" | "BUSY" | "NOREPLICAS") => Trouble::Unready,
            _ => Trouble::Protocol,
        },
    };
    let text = match (error.code(), error.detail()) {
        (Some(code), Some(detail)) => format!("{code} {detail}"),
        (Some(code), None) => code.to_owned(),
        (None, Some(detail)) => detail.to_owned(),
        (None, None) => error.category().to_owned(),
    };
    StoreError::new(kind, text.chars().take(200).collect::<String>())
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn what_failed_on_the_way_is_told_apart() {
        for (kind, trouble, text) in [
            (
                io::ErrorKind::TimedOut,
                Trouble::Timeout,
                "no reply in time",
            ),
            (
                io::ErrorKind::ConnectionReset,
                Trouble::Reset,
                "the server closed the connection",
            ),
            (
                io::ErrorKind::UnexpectedEof,
                Trouble::Reset,
                "the server closed the connection",
            ),
            (io::ErrorKind::InvalidData, Trouble::Protocol, "bad"),
        ] {
            let error = from_redis(RedisError::from(io::Error::new(kind, "bad")));
            assert_eq!(error, StoreError::new(trouble, text));
        }
    }
}
