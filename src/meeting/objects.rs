//! The bucket of an object store as a place (feature `object-store`). Endpoint and credentials come from the
//! environment, as the tools of each store read them, and are in no message.

use std::error::Error as _;
use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::client::HttpError;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::path::Path;
use object_store::{Error, GetOptions, ObjectStore, PutMode, PutOptions, PutPayload, RetryConfig};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

use super::place::{Stamp, Store, Trouble};
use crate::text::secrets;

/// Time between two looks: each is a request that costs money.
const LOOK: Duration = Duration::from_secs(1);
/// So many objects are read at a time.
const AT_A_TIME: usize = 32;
/// Times in HTTP's headers are whole seconds, ...
const SECOND_NS: u64 = 1_000_000_000;
/// ... those in some stores' answers are milliseconds.
const MILLISECOND_NS: u64 = 1_000_000;
/// What variables that may hold a secret have in their name.
const SECRET: [&str; 6] = ["KEY", "SECRET", "TOKEN", "PASSWORD", "SAS", "SIGNATURE"];
/// Where a machine of a cloud asks for credentials if it was given none.
const CLOUD_METADATA: [&str; 2] = ["169.254.169.254", "metadata.google.internal"];

#[derive(Debug)]
pub(super) struct Objects {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    /// Present until it is dropped.
    runtime: Option<Runtime>,
}

impl Objects {
    /// Takes an `s3://`, `gs://` or `az://` URL. Fails with what is wrong with it or with the environment.
    pub(super) fn new(scheme: &str, rest: &str) -> Result<Self, String> {
        keep_secrets();
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let letters = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if bucket.is_empty() || !bucket.chars().all(letters) {
            return Err(format!(
                "write {scheme}://BUCKET/PREFIX; endpoint and credentials are taken from the environment"
            ));
        }
        let prefix = Path::parse(prefix.trim_matches('/')).map_err(|error| error.to_string())?;
        let store = built(scheme, bucket).map_err(|error| {
            let why = innermost(&error);
            format!(
                "{why}; look at the variables of the environment that name endpoint and credentials"
            )
        })?;
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| format!("cannot start a runtime: {error}"))?;
        Ok(Self {
            store,
            prefix,
            runtime: Some(runtime),
        })
    }

    fn path(&self, name: &str) -> Path {
        match self.prefix.as_ref() {
            "" => Path::from(name),
            prefix => Path::from(format!("{prefix}/{name}")),
        }
    }

    fn run<T>(&self, what: impl Future<Output = Result<T, Error>>) -> Result<T, Trouble> {
        match &self.runtime {
            Some(runtime) => runtime.block_on(what).map_err(|error| trouble(&error)),
            None => Err(lasting("its runtime has ended", "run it again")),
        }
    }
}

impl Drop for Objects {
    fn drop(&mut self) {
        // Looking up a name may take longer than anybody waits.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Store for Objects {
    fn put(&self, name: &str, bytes: &[u8]) -> Result<bool, Trouble> {
        let options = PutOptions::from(PutMode::Create);
        let payload = PutPayload::from(bytes.to_vec());
        let path = self.path(name);
        self.run(async {
            match self.store.put_opts(&path, payload, options).await {
                Ok(_) => Ok(true),
                Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => Ok(false),
                Err(error) => Err(error),
            }
        })
    }

    fn get(&self, name: &str, cap: u64) -> Result<Option<Vec<u8>>, Trouble> {
        let found = self.get_all(&[name.to_owned()], cap)?;
        Ok(found.into_iter().next().flatten())
    }

    fn get_all(&self, names: &[String], cap: u64) -> Result<Vec<Option<Vec<u8>>>, Trouble> {
        let mut found = Vec::with_capacity(names.len());
        for some in names.chunks(AT_A_TIME) {
            let all = self.run(async {
                let mut reads = JoinSet::new();
                for (at, name) in some.iter().enumerate() {
                    let (store, path) = (self.store.clone(), self.path(name));
                    reads.spawn(async move { (at, read(&*store, &path, cap).await) });
                }
                let mut all: Vec<Option<Vec<u8>>> = vec![None; some.len()];
                while let Some(ended) = reads.join_next().await {
                    let (at, read) = ended?;
                    all[at] = read?;
                }
                Ok(all)
            })?;
            found.extend(all);
        }
        Ok(found)
    }

    fn list(&self, folder: &str) -> Result<Vec<String>, Trouble> {
        let path = self.path(folder);
        let listed = self.run(self.store.list_with_delimiter(Some(&path)))?;
        let names = listed.objects.iter();
        Ok(names
            .filter_map(|object| object.location.filename().map(str::to_owned))
            .collect())
    }

    fn stamp(&self, name: &str) -> Result<Option<Stamp>, Trouble> {
        let path = self.path(name);
        let options = GetOptions {
            head: true,
            ..GetOptions::default()
        };
        let head = self.run(async {
            match self.store.get_opts(&path, options).await {
                Ok(found) => Ok(Some(found.meta.last_modified)),
                Err(Error::NotFound { .. }) => Ok(None),
                Err(error) => Err(error),
            }
        })?;
        Ok(head.map(|at| Stamp {
            at: SystemTime::from(at),
            step_ns: match at.timestamp_subsec_nanos() {
                0 => SECOND_NS,
                _ => MILLISECOND_NS,
            },
        }))
    }

    fn interval(&self) -> Duration {
        LOOK
    }
}

fn built(scheme: &str, bucket: &str) -> Result<Arc<dyn ObjectStore>, Error> {
    // What fails is tried again by `Place`, which knows how long.
    let once = RetryConfig {
        max_retries: 0,
        ..RetryConfig::default()
    };
    Ok(match scheme {
        "s3" => Arc::new(
            AmazonS3Builder::from_env()
                .with_bucket_name(bucket)
                .with_retry(once)
                .build()?,
        ),
        "gs" => Arc::new(
            GoogleCloudStorageBuilder::from_env()
                .with_bucket_name(bucket)
                .with_retry(once)
                .build()?,
        ),
        _ => Arc::new(
            MicrosoftAzureBuilder::from_env()
                .with_container_name(bucket)
                .with_retry(once)
                .build()?,
        ),
    })
}

async fn read(store: &dyn ObjectStore, path: &Path, cap: u64) -> Result<Option<Vec<u8>>, Error> {
    let found = match store.get_opts(path, GetOptions::default()).await {
        Ok(found) => found,
        Err(Error::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    if found.meta.size > cap {
        let (size, kind) = (found.meta.size, io::ErrorKind::FileTooLarge);
        let why = format!("it holds {size} bytes, and at most {cap} are read");
        return Err(Error::Generic {
            store: "",
            source: Box::new(io::Error::new(kind, why)),
        });
    }
    Ok(Some(found.bytes().await?.into()))
}

/// Keeps the values of the environment that may be secrets out of everything that is shown.
fn keep_secrets() {
    for (name, value) in std::env::vars() {
        let cloud = ["AWS_", "AZURE_", "GOOGLE_"]
            .iter()
            .any(|of| name.starts_with(of));
        let secret = SECRET.iter().any(|part| name.contains(part));
        // Files are named in errors.
        let path = ["_FILE", "_PATH"].iter().any(|end| name.ends_with(end));
        if cloud && secret && !path {
            secrets::keep(&value);
        }
    }
}

/// Says what went wrong without what is in requests: URLs and bodies may hold signatures.
fn trouble(error: &Error) -> Trouble {
    let whole = error.to_string();
    if CLOUD_METADATA.iter().any(|host| whole.contains(host)) {
        return lasting(
            "there are no credentials in the environment, and this machine has none from its cloud",
            "set those of the store, such as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        );
    }
    let said = answer(&whole);
    let why = said.clone().unwrap_or_else(|| innermost(error));
    match error {
        Error::NotFound { .. } => lasting(&why, "name a bucket that is there"),
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => lasting(
            &why,
            "look at the credentials in the environment, and whether they may read, list and write there",
        ),
        Error::Generic { .. } => Trouble {
            passing: passes(error, status(&whole)),
            why: said.unwrap_or_else(|| innermost(error)),
            advice: "look at the endpoint in the environment, and whether this machine reaches it",
        },
        _ => lasting(
            &why,
            "look at what this store can do; it needs conditional writes",
        ),
    }
}

fn lasting(why: &str, advice: &'static str) -> Trouble {
    Trouble {
        passing: false,
        why: why.to_owned(),
        advice,
    }
}

/// Whether it may work a moment later.
fn passes(error: &Error, status: Option<u16>) -> bool {
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(io) = cause.downcast_ref::<io::Error>()
            && io.kind() == io::ErrorKind::FileTooLarge
        {
            return false;
        }
        if let Some(http) = cause.downcast_ref::<HttpError>() {
            return !innermost(http).contains("URL scheme is not allowed");
        }
        source = cause.source();
    }
    status.is_none_or(|status| matches!(status, 408 | 429 | 500..))
}

/// The status of an answer, which `object_store` keeps in its text alone.
fn status(whole: &str) -> Option<u16> {
    let (_, rest) = whole.split_once("status code: ")?;
    rest.get(..3)?.parse().ok()
}

/// What the store answered: its status, and the code and message of its XML.
fn answer(whole: &str) -> Option<String> {
    let status = status(whole)?;
    let within = |name: &str| {
        let (_, rest) = whole.split_once(&format!("<{name}>"))?;
        Some(rest.split_once("</")?.0.trim())
    };
    Some(match (within("Code"), within("Message")) {
        (Some(code), Some(message)) => format!("the store answers {status} {code}: {message}"),
        (Some(code), None) => format!("the store answers {status} {code}"),
        _ => format!("the store answers {status}"),
    })
}

/// The last cause, which says what happened; those around it say to which request.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    let text = last.to_string();
    if text.contains("URL scheme is not allowed") {
        return "the endpoint is http://, which is only used where AWS_ALLOW_HTTP=true says so"
            .to_owned();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_told_without_what_was_signed() {
        let whole = "Generic S3 error: Error performing PUT http://h/b?X-Amz-Signature=s3cr3t in 5ms - Server returned \
                     non-2xx status code: 503 Service Unavailable: <Error><Code>SlowDown</Code><Message>Reduce your \
                     rate.</Message><StringToSign>s3cr3t</StringToSign></Error>";
        let said = answer(whole).unwrap();
        assert_eq!(said, "the store answers 503 SlowDown: Reduce your rate.");
        assert_eq!(
            answer("x status code: 404 Not Found: "),
            Some("the store answers 404".to_owned())
        );
        assert_eq!(answer("connection refused"), None);
    }

    #[test]
    fn buckets_and_prefixes_are_checked() {
        for rest in ["", "/x", "user:password@host/x", "a b", "b?x=1"] {
            let error = Objects::new("s3", rest).unwrap_err();
            assert!(error.starts_with("write s3://BUCKET/PREFIX"), "{error}");
            assert!(!error.contains("password"));
        }
        assert!(Objects::new("s3", "bucket/a//b").is_err());
        let objects = Objects::new("s3", "bucket/a/b/").unwrap();
        assert_eq!(objects.path("meet/0.json").as_ref(), "a/b/meet/0.json");
        let objects = Objects::new("s3", "bucket").unwrap();
        assert_eq!(objects.path("start.json").as_ref(), "start.json");
    }
}
