//! Throughput of a script, by pgbench.

use std::io::Write as _;
use std::process::{Command, Stdio};

/// Runs one pgbench round; any client that fails, for a deadlock say, fails the bench.
pub fn transactions_per_second(
    mut pgbench: Command,
    script: &str,
    clients: u32,
    seconds: u32,
) -> f64 {
    let mut pgbench = pgbench
        .args(["--no-vacuum", "--protocol=prepared", "--jobs=1", "--file=-"])
        .arg(format!("--client={clients}"))
        .arg(format!("--time={}", seconds))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("pgbench");
    let mut input = pgbench.stdin.take().expect("its standard input");
    input.write_all(script.as_bytes()).expect("the script");
    drop(input);
    let output = pgbench.wait_with_output().expect("pgbench");
    let text = String::from_utf8_lossy(&output.stdout);
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|rest| rest.split_whitespace().next())
            .map(str::to_string)
    };
    let clean = output.status.success()
        && field("number of failed transactions:").is_some_and(|failed| failed == "0");
    assert!(clean, "{text}{}", String::from_utf8_lossy(&output.stderr));
    field("tps =")
        .and_then(|tps| tps.parse().ok())
        .expect("pgbench reports tps")
}
