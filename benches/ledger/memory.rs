//! Peak memory of the backends that attach, write and fold the whole reference ledger.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use postgres::Client;

use crate::Bench;
use crate::cluster::Server;
use crate::dataset::{BEGIN, assert_exact, attach, create, detach, fold, load};
use crate::measure::{count, each};
use crate::report::{Target, deltas, grouped, mebibytes};

const DATABASE: &str = "memory";
const LEDGER: &str = "stock_moves";
const GIBIBYTE: f64 = (1_u64 << 30) as f64;

pub fn run(bench: &mut Bench) {
    let moves = bench.scale.moves;
    let mut client = bench.server.create_database(DATABASE);
    create(&mut client, &bench.scale, LEDGER);
    load(&mut client, &bench.scale, LEDGER, moves, BEGIN);

    let moves = grouped(moves as f64);
    let peak = measure(&bench.server, |client| {
        attach(client, LEDGER, "");
    });
    peak.report(bench, &format!("`attach_ledger` of {moves} moves"));
    detach(&mut client, LEDGER);
    each(&mut client, &[&format!("TRUNCATE {LEDGER}")]);
    attach(&mut client, LEDGER, "");

    let peak = measure(&bench.server, |client| {
        load(client, &bench.scale, LEDGER, bench.scale.moves, BEGIN);
    });
    peak.report(
        bench,
        &format!("one INSERT of {moves} moves into the attached ledger"),
    );

    let mut throughput = 0.0;
    let peak = measure(&bench.server, |client| {
        let (elapsed, folded) = fold(client, LEDGER);
        throughput = folded as f64 / elapsed;
    });
    peak.report(bench, &format!("fold of {moves} moves"));
    bench.report.figure(
        format!("fold of {moves} moves, over two years"),
        throughput,
        deltas,
        None,
    );
    assert_exact(&mut client, LEDGER);
    drop(client);
    bench.server.drop_database(DATABASE);
}

struct Peak {
    /// The most private memory that the backend and its parallel workers had at one time.
    private: u64,
    /// The backend's VmHWM, which also counts each page of shared buffers that it touched.
    high_water: u64,
}

impl Peak {
    fn report(self, bench: &mut Bench, work: &str) {
        bench.report.figure(
            format!("private memory at its peak: {work}"),
            self.private as f64,
            mebibytes,
            Some(Target::AtMost(GIBIBYTE)),
        );
        bench.report.figure(
            format!("… VmHWM, with the shared buffers it touched: {work}"),
            self.high_water as f64,
            mebibytes,
            None,
        );
    }
}

/// Does the work in a backend of its own, looking at that backend's memory all the while.
fn measure(server: &Server, run: impl FnOnce(&mut Client)) -> Peak {
    let mut client = server.connect(DATABASE);
    let backend = count(&mut client, "SELECT pg_backend_pid()::bigint") as u32;
    let postmaster = server.postmaster();
    let done = AtomicBool::new(false);
    let private = thread::scope(|scope| {
        let sampler = scope.spawn(|| {
            let mut peak = 0;
            while !done.load(Ordering::Relaxed) {
                peak = peak.max(private_bytes(backend, postmaster));
                thread::sleep(Duration::from_millis(20));
            }
            peak
        });
        run(&mut client);
        done.store(true, Ordering::Relaxed);
        sampler.join().expect("the sampler")
    });
    Peak {
        private,
        high_water: status_bytes(backend, "VmHWM:").expect("a live backend"),
    }
}

fn private_bytes(backend: u32, postmaster: u32) -> u64 {
    let title = format!("parallel worker for PID {backend}");
    let children = fs::read_to_string(format!("/proc/{postmaster}/task/{postmaster}/children"))
        .unwrap_or_default();
    let workers = children
        .split_whitespace()
        .filter_map(|pid| pid.parse().ok())
        .filter(|pid: &u32| {
            fs::read_to_string(format!("/proc/{pid}/cmdline"))
                .is_ok_and(|line| line.contains(&title))
        });
    // a worker may be gone by the time it is looked at
    workers
        .chain([backend])
        .filter_map(|pid| status_bytes(pid, "RssAnon:"))
        .sum()
}

fn status_bytes(pid: u32, field: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    let kibibytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kibibytes * 1024)
}
