//! Shards that meet in the bucket of an object store: moto, an S3 server of others, and connections to it that fail.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may panic; helpers outside #[test] are not recognised as such"
)]

#[cfg(feature = "object-store")]
mod cases;
#[cfg(feature = "object-store")]
mod moto;

#[cfg(not(feature = "object-store"))]
#[test]
fn a_build_without_it_says_how_to_build_it() {
    for url in [
        "s3://bucket/run",
        "gs://bucket/run",
        "az://user:password@container/run",
    ] {
        let error = shakedown::meeting::Place::parse(url)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("`cargo build --release --features object-store`"),
            "{error}"
        );
        assert!(!error.contains("password"), "{error}");
    }
}

#[cfg(feature = "object-store")]
mod with_moto {
    use std::net::TcpListener;
    use std::time::{Duration, Instant};

    use super::cases::said;
    use super::moto::{Fault, Moto};

    #[test]
    fn one_of_many_puts_a_result_and_all_are_listed() {
        let Some(moto) = Moto::start(None) else {
            return;
        };
        said("results", "s3://bucket/some/run", &moto.address).unwrap();
        // Without a prefix, too.
        said("results", "s3://bucket", &moto.address).unwrap();
    }

    #[test]
    fn shards_meet() {
        let Some(moto) = Moto::start(None) else {
            return;
        };
        said("meeting", "s3://bucket/run-7", &moto.address).unwrap();
    }

    #[test]
    fn a_shard_that_never_comes_ends_the_run() {
        let Some(moto) = Moto::start(None) else {
            return;
        };
        said("missing", "s3://bucket/run-8", &moto.address).unwrap();
    }

    #[test]
    fn what_fails_is_tried_again_and_a_lost_answer_loses_nothing() {
        let Some(moto) = Moto::start(None) else {
            return;
        };
        let way = moto.behind(vec![Fault::Unavailable, Fault::Cut, Fault::AnswerLost]);
        said("one-result", "s3://bucket/run-9", &way).unwrap();
    }

    #[test]
    fn a_bucket_that_is_not_there_is_named() {
        let Some(moto) = Moto::start(None) else {
            return;
        };
        let error = said("refused", "s3://nobody-made-it/run", &moto.address).unwrap_err();
        assert!(
            error.contains("put meet/0.json at s3://nobody-made-it/run"),
            "{error}"
        );
        assert!(
            error.contains("the store answers 404 NoSuchBucket"),
            "{error}"
        );
        assert!(error.contains("name a bucket that is there"), "{error}");
    }

    #[test]
    fn wrong_credentials_are_refused_and_not_shown() {
        // Making the bucket is the only thing that anybody may do.
        let Some(moto) = Moto::start(Some(1)) else {
            return;
        };
        let error = said("refused", "s3://bucket/run", &moto.address).unwrap_err();
        assert!(
            error.contains("the store answers 403 InvalidAccessKeyId"),
            "{error}"
        );
        assert!(
            error.contains("look at the credentials in the environment"),
            "{error}"
        );
    }

    #[test]
    fn a_server_that_is_gone_is_waited_for_no_longer_than_asked() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let begun = Instant::now();
        let silent = said("refused", "s3://bucket/run", &address).unwrap_err();
        assert!(
            silent.contains("read start.json at s3://bucket/run: no answer within 1.5s"),
            "{silent}"
        );
        drop(listener);
        let gone = said("refused", "s3://bucket/run", &address).unwrap_err();
        assert!(gone.contains("Connection refused"), "{gone}");
        assert!(
            gone.contains("look at the endpoint in the environment"),
            "{gone}"
        );
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "{:?}",
            begun.elapsed()
        );
    }

    #[test]
    fn requests_go_without_tls_only_where_the_environment_says_so() {
        let error = said("without-http", "s3://bucket/run", "127.0.0.1:9").unwrap_err();
        assert!(
            error.contains("only used where AWS_ALLOW_HTTP=true"),
            "{error}"
        );
    }
}
