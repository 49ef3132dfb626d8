//! Programs of the PostgreSQL installation under test, run as a user a server accepts.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

/// The user a server runs as when the caller is root, whom PostgreSQL refuses.
const SERVER_USER: &str = "postgres";

/// Identity that server programs run under; `None` keeps the caller's own.
#[derive(Clone, Copy)]
pub struct Identity {
    pub uid: u32,
    pub gid: u32,
}

pub fn server_identity() -> Option<Identity> {
    static IDENTITY: OnceLock<Option<Identity>> = OnceLock::new();
    *IDENTITY.get_or_init(|| {
        let caller = id(&["-u"]);
        (caller == 0).then(|| Identity {
            uid: id(&["-u", SERVER_USER]),
            gid: id(&["-g", SERVER_USER]),
        })
    })
}

fn id(arguments: &[&str]) -> u32 {
    let text = run(Command::new("id").args(arguments));
    text.trim()
        .parse()
        .unwrap_or_else(|_| panic!("id {arguments:?} printed {text:?}"))
}

/// Directory of the server programs: that of `$PG_CONFIG`, else of the `pg_config` found first.
fn program_directory() -> &'static Path {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    DIRECTORY.get_or_init(|| {
        let pg_config = std::env::var("PG_CONFIG").unwrap_or_else(|_| "pg_config".to_owned());
        PathBuf::from(run(Command::new(pg_config).arg("--bindir")).trim())
    })
}

/// A command for `name` (`initdb`, `pg_dump`, …) that runs as the server's user.
pub fn server_program(name: &str) -> Command {
    let mut command = Command::new(program_directory().join(name));
    if let Some(identity) = server_identity() {
        command.uid(identity.uid).gid(identity.gid);
    }
    // The caller's directory may be closed to the server's user.
    command.current_dir("/");
    // Neither the caller's connection settings nor backtraces in the server's messages.
    for (variable, _) in std::env::vars_os() {
        if variable == "RUST_BACKTRACE" || variable.to_string_lossy().starts_with("PG") {
            command.env_remove(variable);
        }
    }
    command
}

/// Runs to the end and returns what was printed; panics with the errors of a command that failed.
pub fn run(command: &mut Command) -> String {
    let output = run_unchecked(command);
    assert!(
        output.status.success(),
        "{command:?} failed ({}):\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn run_unchecked(command: &mut Command) -> Output {
    command
        .output()
        .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"))
}
