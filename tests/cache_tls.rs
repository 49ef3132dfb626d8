//! TLS to Redis: who is trusted, and who has to show a certificate.

mod common;
mod connections;

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{Ask, Redis, RedisOptions, run};
use connections::{Site, keep};

/// Certificates by openssl: an authority, and one each for a server and a client.
struct Authority {
    directory: PathBuf,
    name: &'static str,
}

impl Authority {
    fn new(directory: &Path, name: &'static str) -> Self {
        let authority = Self {
            directory: directory.to_owned(),
            name,
        };
        run(openssl()
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt"])
            .args(["ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"])
            .args(["-subj", &format!("/CN={name}"), "-keyout"])
            .arg(authority.file("ca.key"))
            .arg("-out")
            .arg(authority.file("ca.crt")));
        authority.issue("server", "subjectAltName=IP:127.0.0.1,DNS:localhost");
        authority.issue("client", "extendedKeyUsage=clientAuth");
        authority
    }

    fn file(&self, name: &str) -> String {
        let path = self.directory.join(format!("{}.{name}", self.name));
        path.display().to_string()
    }

    fn issue(&self, whom: &str, extension: &str) {
        let [key, request, certificate, extensions] =
            ["key", "csr", "crt", "ext"].map(|kind| self.file(&format!("{whom}.{kind}")));
        fs::write(
            &extensions,
            format!("basicConstraints=CA:FALSE\n{extension}\n"),
        )
        .expect("write extensions");
        run(openssl()
            .args([
                "req",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
            ])
            .args(["-nodes", "-subj", &format!("/CN={whom}")])
            .args(["-keyout", &key, "-out", &request]));
        run(openssl()
            .args([
                "x509",
                "-req",
                "-days",
                "2",
                "-set_serial",
                "7",
                "-in",
                &request,
            ])
            .args(["-CA", &self.file("ca.crt"), "-CAkey", &self.file("ca.key")])
            .args(["-extfile", &extensions, "-out", &certificate]));
        for file in [&key, &certificate] {
            fs::set_permissions(file, fs::Permissions::from_mode(0o644)).expect("a mode");
        }
    }

    /// A Redis that speaks TLS on a port of its own.
    fn redis(&self, clients: &str) -> (Redis, u16) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("its address").port();
        drop(listener);
        let options: RedisOptions = Redis::options()
            .set("tls-port", &port.to_string())
            .set("tls-cert-file", &self.file("server.crt"))
            .set("tls-key-file", &self.file("server.key"))
            .set("tls-ca-cert-file", &self.file("ca.crt"))
            .set("tls-auth-clients", clients);
        (options.start(), port)
    }
}

fn openssl() -> Command {
    Command::new("openssl")
}

#[test]
fn tls_trusts_its_own_authority_and_no_other() {
    let mut site = Site::new(&[]);
    let own = Authority::new(site.cluster.directory(), "own");
    let foreign = Authority::new(site.cluster.directory(), "foreign");
    let (redis, port) = own.redis("no");
    let url = format!("rediss://127.0.0.1:{port}");

    // no public authority knows it
    site.configure(&[("redis_url", &url)]);
    site.cannot("certificate");
    site.configure(&[("redis_ca_file", &own.file("ca.crt"))]);
    site.can();
    let version: String = site.client.ask("SELECT server_version FROM cache_health()");
    assert!(version.starts_with("redis "), "{version}");
    // far more than fits into one record
    let large = format!("\"{}\"", "x".repeat(1_000_000));
    site.client
        .run("SET inventory_perf.cache_compress_above = -1");
    keep(&mut site.client, "large", &large);
    site.configure(&[("redis_url", &format!("rediss://localhost:{port}/2"))]);
    site.can();
    for (setting, value, words) in [
        ("redis_ca_file", foreign.file("ca.crt"), "certificate"),
        ("redis_ca_file", own.file("server.key"), "cannot use file"),
        (
            "redis_ca_file",
            "/nowhere/ca.crt".to_owned(),
            "cannot use file",
        ),
    ] {
        site.configure(&[(setting, &value)]);
        site.cannot(words);
    }
    site.configure(&[("redis_ca_file", &own.file("ca.crt"))]);
    // not the name that the certificate has, and no TLS at all
    for (url, words) in [
        (format!("rediss://127.0.0.2:{port}"), ""),
        (format!("rediss://127.0.0.1:{}", redis.port()), ""),
        (format!("redis://127.0.0.1:{port}"), ""),
        (
            format!("rediss://127.0.0.1:{port}/#insecure"),
            "redis_ca_file",
        ),
    ] {
        site.configure(&[("redis_url", &url)]);
        site.cannot(words);
    }
}

#[test]
fn tls_shows_a_certificate_where_one_is_asked_for() {
    let mut site = Site::new(&[]);
    let own = Authority::new(site.cluster.directory(), "own");
    let foreign = Authority::new(site.cluster.directory(), "foreign");
    let (_redis, port) = own.redis("yes");
    site.configure(&[
        ("redis_url", &format!("rediss://127.0.0.1:{port}")),
        ("redis_ca_file", &own.file("ca.crt")),
    ]);
    site.cannot("");
    site.configure(&[
        ("redis_cert_file", &own.file("client.crt")),
        ("redis_key_file", &own.file("client.key")),
    ]);
    site.can();
    site.configure(&[
        ("redis_cert_file", &foreign.file("client.crt")),
        ("redis_key_file", &foreign.file("client.key")),
    ]);
    site.cannot("");
    // a key of another certificate, and none
    site.configure(&[("redis_cert_file", &own.file("client.crt"))]);
    site.cannot("cannot use file");
    site.configure(&[("redis_key_file", "")]);
    site.cannot("cannot use file");
    site.configure(&[("redis_key_file", &own.file("client.key"))]);
    site.can();
}
