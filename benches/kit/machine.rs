//! What a result must be read with: the machine, the server, the scale, and who else was working.

use std::fs;
use std::thread::sleep;
use std::time::Duration;

use postgres::Client;

/// Looks for other work on the machine while the bench itself is idle.
#[derive(Default)]
pub struct Quiet {
    busiest: f64,
}

impl Quiet {
    /// Share of all processors that was in use over one second of doing nothing here.
    pub fn sample(&mut self) {
        let before = processor_ticks();
        sleep(Duration::from_secs(1));
        let after = processor_ticks();
        let busy = (after.0 - before.0) as f64 / (after.1 - before.1).max(1) as f64;
        if busy > 0.1 {
            eprintln!(
                "   the machine is not quiet: {:.0} % busy with other work",
                busy * 100.0
            );
        }
        self.busiest = self.busiest.max(busy);
    }
}

/// Ticks spent busy, and in all, by all processors since boot.
fn processor_ticks() -> (u64, u64) {
    let stat = fs::read_to_string("/proc/stat").expect("/proc/stat");
    let ticks: Vec<u64> = stat
        .lines()
        .next()
        .expect("a line for all processors")
        .split_whitespace()
        .skip(1)
        // guest time, the last two, is already in user and nice
        .take(8)
        .map(|field| field.parse().expect("a number of ticks"))
        .collect();
    let total: u64 = ticks.iter().sum();
    let idle = ticks[3] + ticks[4];
    (total - idle, total)
}

/// `settings` are those that the bench chose, `scale` says how much was measured.
pub fn describe(client: &mut Client, settings: &[&str], scale: &str, quiet: &Quiet) -> String {
    let row = client
        .query_one(
            "SELECT split_part(version(), ' on ', 1), current_date::text,
                    (SELECT string_agg(name || ' = ' || current_setting(name), ', ' ORDER BY name)
                     FROM pg_settings
                     WHERE source = 'configuration file' AND name = ANY ($1))",
            &[&settings],
        )
        .expect("the server describes itself");
    let (version, day, settings): (String, String, String) = (row.get(0), row.get(1), row.get(2));
    format!(
        "{day}. {version}; {}.\n\
         Settings: {settings}; the rest as shipped (fsync on, work_mem {}).\n\
         Scale: {scale}.\n\
         Other work on the machine, looked at before each section: at most {:.0} %.\n",
        hardware(),
        client
            .query_one("SHOW work_mem", &[])
            .expect("work_mem")
            .get::<_, String>(0),
        quiet.busiest * 100.0,
    )
}

fn hardware() -> String {
    let processors = fs::read_to_string("/proc/cpuinfo").expect("/proc/cpuinfo");
    let field = |name: &str| {
        let line = processors.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split(':').nth(1))
            .map_or("unknown", str::trim)
            .to_string()
    };
    let count = processors
        .lines()
        .filter(|line| line.starts_with("processor"))
        .count();
    let memory = fs::read_to_string("/proc/meminfo").expect("/proc/meminfo");
    let kibibytes: f64 = memory
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))
        .and_then(|rest| rest.split_whitespace().next())
        .and_then(|number| number.parse().ok())
        .expect("MemTotal");
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").expect("the kernel's release");
    format!(
        "{count} × {}, {:.0} GiB, Linux {}",
        field("model name"),
        kibibytes / f64::from(1 << 20),
        kernel.trim()
    )
}
