//! The Redis and the proxy of the cache tests do what those tests believe they do.

mod common;

use std::time::{Duration, Instant};

use common::{Fate, Message, Proxy, Redis};
use redis::Commands;

fn through(proxy: &Proxy) -> redis::RedisResult<redis::Connection> {
    let client = redis::Client::open(proxy.url())?;
    let connection = client.get_connection_with_timeout(Duration::from_millis(300))?;
    connection.set_read_timeout(Some(Duration::from_millis(300)))?;
    Ok(connection)
}

fn answers(redis: &Redis) -> bool {
    let mut connection = redis.connect();
    redis::cmd("PING").query::<String>(&mut connection).is_ok()
}

#[test]
fn redis_comes_and_goes() {
    let redis = Redis::new();
    let _: () = redis.connect().set("a", 1).expect("SET");
    redis.restart();
    let kept: Option<i32> = redis.connect().get("a").expect("GET");
    assert_eq!(kept, None, "it was to save nothing");
    redis.kill();
    assert!(redis.try_connect().is_err());
    redis.start();
    assert!(answers(&redis));

    redis.freeze();
    let mut connection = redis.try_connect();
    let answer = connection.as_mut().map(|connection| {
        connection
            .set_read_timeout(Some(Duration::from_millis(100)))
            .expect("a timeout");
        redis::cmd("PING").query::<String>(connection)
    });
    assert!(!matches!(answer, Ok(Ok(_))), "a frozen Redis answered");
    redis.thaw();
    assert!(answers(&redis));
}

#[test]
fn redis_keeps_its_data_when_asked() {
    let redis = Redis::options().persistent().start();
    let _: () = redis.connect().set("a", 1).expect("SET");
    redis.kill();
    redis.start();
    let kept: Option<i32> = redis.connect().get("a").expect("GET");
    assert_eq!(kept, Some(1));
}

#[test]
fn redis_wants_its_password() {
    let redis = Redis::options().set("requirepass", "secret").start();
    assert!(answers(&redis));
    let mut stranger = redis::Client::open(redis.socket_url())
        .and_then(|client| client.get_connection())
        .expect("a connection");
    let refusal = redis::cmd("PING")
        .query::<String>(&mut stranger)
        .expect_err("no password");
    assert!(refusal.to_string().contains("NOAUTH"), "{refusal}");
}

#[test]
fn the_proxy_passes_pipelines() {
    let redis = Redis::new();
    let proxy = Proxy::to(&redis);
    let mut connection = through(&proxy).expect("a connection");
    let large = "x".repeat(1_000_000);
    for _ in 0..3 {
        let (first, second, all): (String, String, Vec<Option<String>>) = redis::pipe()
            .set("one", &large)
            .set("two", "")
            .cmd("MGET")
            .arg("one")
            .arg("two")
            .arg("three")
            .query(&mut connection)
            .expect("a pipeline");
        assert_eq!((first.as_str(), second.as_str()), ("OK", "OK"));
        assert_eq!(all, [Some(large.clone()), Some(String::new()), None]);
    }
}

#[test]
fn the_proxy_fails_on_demand() {
    let redis = Redis::new();
    let proxy = Proxy::to(&redis);
    let mut connection = through(&proxy).expect("a connection");
    let _: () = connection.set("a", 1).expect("SET");

    proxy.rule(|message| match message {
        Message::Reply(command) if command.is("get") && command.mentions("slow") => {
            Fate::Delay(Duration::from_millis(100))
        }
        Message::Reply(command) if command.is("incrby") => Fate::Vanish,
        Message::Request(command) if command.is("del") => Fate::Reset,
        _ => Fate::Pass,
    });
    let started = Instant::now();
    let _: Option<i32> = connection.get("a").expect("GET");
    assert!(started.elapsed() < Duration::from_millis(90));
    let _: Option<i32> = connection.get("slow").expect("GET");
    assert!(started.elapsed() >= Duration::from_millis(100));

    let lost: redis::RedisResult<i32> = connection.incr("a", 1);
    assert!(lost.expect_err("a reply that vanished").is_timeout());
    let mut connection = through(&proxy).expect("a connection");
    let refused: redis::RedisResult<i32> = connection.del("a");
    assert!(refused.is_err());
    let kept: i32 = redis.connect().get("a").expect("GET");
    assert_eq!(kept, 2, "INCR arrived, DEL did not");
    proxy.no_rule();

    let mut connection = through(&proxy).expect("a connection");
    proxy.black_hole(true);
    let lost: redis::RedisResult<i32> = connection.get("a");
    assert!(lost.expect_err("nothing passes").is_timeout());
    proxy.black_hole(false);

    let mut connection = through(&proxy).expect("a connection");
    proxy.refuse(true);
    assert!(connection.get::<_, i32>("a").is_err());
    assert!(through(&proxy).is_err());
    proxy.refuse(false);
    let mut connection = through(&proxy).expect("a connection");
    assert_eq!(connection.get::<_, i32>("a").expect("GET"), 2);
    proxy.reset_connections();
    assert!(connection.get::<_, i32>("a").is_err());
}
