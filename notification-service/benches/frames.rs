//! Parsing and encoding of frames, fan-out to the sockets of a chat, and joining and leaving it. `make microbench` runs these benchmarks.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use notification_service::test_support::{FanOut, parse};
use uuid::Uuid;

const TEXT: &str = "Привет! Завтра в семь, у входа. Bring the tickets, please.";

fn frames(criterion: &mut Criterion) {
    let message = format!(
        r#"{{"type":"message","chat_id":"{}","text":"{TEXT}","request_id":"{}"}}"#,
        Uuid::now_v7(),
        Uuid::new_v4()
    );
    assert!(parse(&message));
    criterion.bench_function("parse message", |bencher| bencher.iter(|| parse(black_box(&message))));
    criterion.bench_function("parse typing", |bencher| {
        bencher.iter(|| parse(black_box(r#"{"type":"typing","is_typing":true}"#)));
    });
    let chat = FanOut::new(0, TEXT);
    criterion.bench_function("encode new_message", |bencher| bencher.iter(|| chat.encode()));
}

fn fan_out(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("fan-out");
    for sockets in [2, 100, 1000, 10_000] {
        let mut chat = FanOut::new(sockets, TEXT);
        group.throughput(Throughput::Elements(sockets as u64));
        group.bench_function(BenchmarkId::from_parameter(sockets), |bencher| bencher.iter(|| chat.deliver()));
    }
}

fn membership(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("join and leave");
    group.sample_size(10);
    for users in [100, 10_000] {
        let chat = FanOut::new(0, TEXT);
        group.throughput(Throughput::Elements(users as u64));
        group.bench_function(BenchmarkId::from_parameter(users), |bencher| bencher.iter(|| chat.join_and_leave(users)));
    }
}

criterion_group!(benches, frames, fan_out, membership);
criterion_main!(benches);
