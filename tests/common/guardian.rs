//! Directories of throwaway servers, and what removes them when their owner is gone.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use super::program::server_identity;

/// Removes a server that its owner left behind: killed, or holding it in a `static`.
/// It waits for the end of its standard input, which is the end of the owner. The server's log is
/// kept in the directory that `INVENTORY_PERF_LOGS` names.
const GUARDIAN: &str = r#"
trap '' HUP INT TERM
cat > /dev/null
if read -r postmaster 2> /dev/null < "$1/data/postmaster.pid"; then
    kill -QUIT "$postmaster" 2> /dev/null
    # Bounded: a process that nobody reaps never goes away.
    for attempt in $(seq 200); do
        kill -0 "$postmaster" 2> /dev/null || break
        sleep 0.05
    done
fi
if read -r redis 2> /dev/null < "$1/redis.pid"; then kill -KILL "$redis" 2> /dev/null; fi
if [ -n "$2" ]; then cp "$1/server.log" "$2/${1##*/}.log"; fi
rm -rf "$1"
"#;

pub struct Guardian {
    process: Child,
    input: Option<ChildStdin>,
}

/// A new directory that only the server's user may enter, and its guardian.
pub fn new_directory() -> (PathBuf, Guardian) {
    static DIRECTORIES: AtomicU32 = AtomicU32::new(0);
    let number = DIRECTORIES.fetch_add(1, Ordering::Relaxed);
    let name = format!("inventory_perf_{}_{number}", std::process::id());
    let directory = std::env::temp_dir().join(name);
    fs::create_dir(&directory)
        .unwrap_or_else(|error| panic!("cannot create {}: {error}", directory.display()));
    let guardian = Guardian::watch(&directory);
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o700))
        .expect("set the mode of a new directory");
    if let Some(identity) = server_identity() {
        chown(&directory, Some(identity.uid), Some(identity.gid))
            .expect("give a new directory to the server's user");
    }
    (directory, guardian)
}

impl Guardian {
    fn watch(directory: &Path) -> Self {
        let mut process = Command::new("sh")
            .args(["-c", GUARDIAN, "sh"])
            .arg(directory)
            .arg(std::env::var_os("INVENTORY_PERF_LOGS").unwrap_or_default())
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("start the guardian of a server");
        let input = process.stdin.take();
        Self { process, input }
    }

    /// Lets it clean up now, and waits for it.
    pub fn release(&mut self) {
        self.input = None;
        let _ = self.process.wait();
    }
}
