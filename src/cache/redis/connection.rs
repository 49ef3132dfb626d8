//! Opens a connection as the settings say, and says which server answers.

use redis::{Cmd, ConnectionAddr, ConnectionInfo, ErrorKind, IntoConnectionInfo, RedisError};
use redis::{ConnectionLike, FromRedisValue, ServerErrorKind};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use std::fs::File;
use std::io::{self, Read};
use std::net::ToSocketAddrs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::transport::{Socket, Transport};
use crate::cache::store::{Result, StoreError, Trouble};

/// Replies of a few short values.
pub const SMALL_REPLY: usize = 1024 * 1024;

/// Who a connection belongs to that names nobody.
const DEFAULT_USER: &str = "default";
const LONGEST_PASSWORD: u64 = 64 * 1024;

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
    if let (None, Some(user)) = (&password, settings.username())
        && user != DEFAULT_USER
    {
        return Err(StoreError::new(
            Trouble::Configuration,
            format!(
                "inventory_perf.redis_url names the user \"{user}\" and there is no password; set \
                 inventory_perf.redis_password_file (for a user without one, any text will do)"
            ),
        ));
    }
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
    let info: String = query(&mut transport, redis::cmd("INFO").arg("server"))?;
    let server = Server::parse(&info)?;
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
    check_file(&target.key_file)?;
    let key = PrivateKeyDer::from_pem_file(&target.key_file)
        .map_err(|error| file_trouble(&target.key_file, error))?;
    builder
        .with_client_auth_cert(certificates(&target.certificate_file)?, key)
        .map_err(|error| file_trouble(&target.certificate_file, error))
}

fn certificates(file: &str) -> Result<Vec<CertificateDer<'static>>> {
    check_file(file)?;
    let read = || CertificateDer::pem_file_iter(file)?.collect::<std::result::Result<Vec<_>, _>>();
    let certificates = read().map_err(|error| file_trouble(file, error))?;
    if certificates.is_empty() {
        return Err(file_trouble(file, "no certificate in it"));
    }
    Ok(certificates)
}

fn read_password(file: &str) -> Result<String> {
    check_file(file)?;
    let mut text = String::new();
    File::open(file)
        .and_then(|content| content.take(LONGEST_PASSWORD).read_to_string(&mut text))
        .map_err(|error| file_trouble(file, error))?;
    let password = text.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        return Err(file_trouble(file, "it is empty"));
    }
    Ok(password.to_owned())
}

/// What is no regular file could keep the session waiting for ever.
fn check_file(file: &str) -> Result<()> {
    match std::fs::metadata(file) {
        Ok(metadata) if metadata.is_file() => Ok(()),
        Ok(_) => Err(file_trouble(file, "it is not a regular file")),
        Err(error) => Err(file_trouble(file, error)),
    }
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

/// A field of what INFO says.
fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        .map(str::trim)
        .filter(|value| !value.is_empty())
}

fn untold(name: &str) -> StoreError {
    StoreError::new(
        Trouble::Protocol,
        format!("the server does not tell its {name}"),
    )
}

impl Server {
    /// From INFO server.
    pub fn parse(info: &str) -> Result<Self> {
        let version = match (field(info, "valkey_version"), field(info, "redis_version")) {
            (Some(valkey), _) => format!("valkey {valkey}"),
            (None, Some(redis)) => format!("redis {redis}"),
            (None, None) => "unknown".to_owned(),
        };
        let run_id = field(info, "run_id").ok_or_else(|| untold("run_id"))?;
        Ok(Self {
            version,
            run_id: run_id.to_owned(),
        })
    }
}

/// From INFO replication of a primary.
pub fn replication_id(info: &str) -> Result<String> {
    if field(info, "role") != Some("master") {
        return Err(StoreError::new(
            Trouble::Unready,
            "the server is a replica, not a primary",
        ));
    }
    let id = field(info, "master_replid").ok_or_else(|| untold("master_replid"))?;
    Ok(id.to_owned())
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
    fn a_primary_tells_who_it_is_and_a_replica_is_none() {
        let server = Server::parse("# Server\r\nredis_version:7.0.15\r\nrun_id:ab\r\n");
        assert_eq!(
            server,
            Ok(Server {
                version: "redis 7.0.15".to_owned(),
                run_id: "ab".to_owned(),
            })
        );
        assert!(Server::parse("redis_version:7.0.15\r\nrun_id:\r\n").is_err());
        let primary = "role:master\r\nmaster_replid:cd\r\nmaster_replid2:ef\r\n";
        assert_eq!(replication_id(primary), Ok("cd".to_owned()));
        for (info, trouble) in [
            ("role:slave\r\nmaster_replid:cd\r\n", Trouble::Unready),
            ("role:master\r\n", Trouble::Protocol),
        ] {
            assert_eq!(
                replication_id(info).map_err(|error| error.kind),
                Err(trouble)
            );
        }
    }

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
