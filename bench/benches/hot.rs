//! The time of the hot paths: a round is 64 messages. Run `cargo bench --workspace --bench hot`, with a name
//! after `--` for one of them. `daemon/benches/store.rs` measures more of the store.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use tcp_chat_bench::hot::{MESSAGES, Path, prepare};

/// Rounds that are prepared together, for paths that need new input in each.
const PREPARED: usize = 64;

fn all(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("hot");
    group.throughput(Throughput::Elements(MESSAGES as u64));
    for (name, path) in Path::ALL {
        group.bench_function(name, |bencher| {
            if path != Path::Store {
                match prepare(path, 0) {
                    Ok(mut round) => bencher.iter(&mut round),
                    Err(e) => eprintln!("{name}: {e:#}"),
                }
                return;
            }
            bencher.iter_batched_ref(
                || prepare(path, PREPARED),
                |round| {
                    for _ in 0..PREPARED {
                        assert!(round.as_mut().is_ok_and(|round| round().is_ok()));
                    }
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, all);
criterion_main!(benches);
