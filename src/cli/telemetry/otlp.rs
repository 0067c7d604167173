//! The metrics of a run sent to an OpenTelemetry collector: OTLP 1.x over HTTP, binary Protobuf, cumulative.
//! <https://opentelemetry.io/docs/specs/otlp/#otlphttp>

use std::io;
use std::str::FromStr;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::Request;
use http::header::{CONTENT_TYPE, HOST};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric as Sent, NumberDataPoint,
    ResourceMetrics, ScopeMetrics, Sum, metric, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;
use shakedown::record::BuildInfo;
use shakedown::scenario::Url;

use super::Shared;
use super::board::{BUCKETS_NS, Board};
use super::metrics::{Kind, Metric, Value, metrics};
use crate::cli::output::say;

/// Time between two messages.
const EVERY: Duration = Duration::from_secs(5);
/// A message that takes longer is given up.
const LONGEST: Duration = Duration::from_secs(3);
/// Most bytes of an answer that are read.
const MOST_SAID: usize = 64 << 10;
/// Where collectors take metrics.
const PATH: &str = "/v1/metrics";

/// Where to send.
#[derive(Debug, Clone)]
pub struct Collector {
    authority: String,
    host: String,
    port: u16,
    path: String,
}

impl FromStr for Collector {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wanted = "give the collector's URL, e.g. http://127.0.0.1:4318";
        let url = Url::with_default_port(text, Some(4318)).map_err(|e| format!("{e}; {wanted}"))?;
        match url.scheme.name {
            "http" => {}
            "https" => {
                return Err(
                    "only http; let a collector on this host pass it on over TLS".to_owned(),
                );
            }
            _ => return Err(wanted.to_owned()),
        }
        let path = url.path.split('?').next().unwrap_or_default();
        let path = path.trim_end_matches('/');
        Ok(Self {
            authority: url.authority(),
            port: url.port,
            // The URL of the collector itself, or of its place for metrics.
            path: if path.ends_with(PATH) {
                path.to_owned()
            } else {
                format!("{path}{PATH}")
            },
            host: url.place.host,
        })
    }
}

/// A thread that sends.
pub struct Sender {
    end: mpsc::Sender<()>,
    thread: JoinHandle<Option<String>>,
}

impl Sender {
    /// Begins to send what `board` says at the moment.
    ///
    /// Fails if the system gives no thread or runtime.
    pub(crate) fn start(collector: &Collector, board: Shared) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (end, ended) = mpsc::channel();
        let (collector, began) = (collector.clone(), now_ns());
        let thread = std::thread::Builder::new()
            .name("otlp".to_owned())
            .spawn(move || {
                let send_now = || {
                    let body = message(&super::read(&board), began).encode_to_vec();
                    runtime.block_on(send_in_time(&collector, body))
                };
                while ended.recv_timeout(EVERY) == Err(mpsc::RecvTimeoutError::Timeout) {
                    // What was not received now is in the next message too.
                    let _ = send_now();
                }
                send_now().err()
            })?;
        Ok(Self { end, thread })
    }

    /// Sends once more, now that the run is over. Counters are cumulative, so only what the last message
    /// lacked is lost; that is said on stderr.
    pub(crate) fn finish(self) {
        // A thread that panicked has already said so on stderr, and hears nothing.
        let _ = self.end.send(());
        if let Ok(Some(why)) = self.thread.join() {
            say(format_args!(
                "warning: the last metrics could not be sent to --otlp: {why}; is the collector up?"
            ));
        }
    }
}

async fn send_in_time(to: &Collector, body: Vec<u8>) -> Result<(), String> {
    match tokio::time::timeout(LONGEST, send(to, body)).await {
        Ok(sent) => sent,
        Err(_) => Err(format!(
            "no answer from {} within {} s",
            to.authority,
            LONGEST.as_secs()
        )),
    }
}

async fn send(to: &Collector, body: Vec<u8>) -> Result<(), String> {
    let stream = tokio::net::TcpStream::connect((to.host.as_str(), to.port))
        .await
        .map_err(|e| format!("cannot connect to {}: {e}", to.authority))?;
    let failed = |e: &dyn std::fmt::Display| format!("{}: {e}", to.authority);
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|e| failed(&e))?;
    let request = Request::post(&to.path)
        .header(HOST, &to.authority)
        .header(CONTENT_TYPE, "application/x-protobuf")
        .body(Full::new(Bytes::from(body)))
        .map_err(|e| failed(&e))?;
    // It ends when the collector closes, which may be right behind the answer.
    tokio::spawn(connection);
    let response = sender.send_request(request).await.map_err(|e| failed(&e))?;
    let status = response.status();
    Limited::new(response.into_body(), MOST_SAID)
        .collect()
        .await
        .map_err(|e| failed(&e))?;
    if status.is_success() {
        Ok(())
    } else {
        Err(failed(&format!("HTTP status {status}")))
    }
}

fn message(board: &Board, began_ns: u64) -> ExportMetricsServiceRequest {
    let build = BuildInfo::current();
    let at = (began_ns, now_ns());
    let sent = metrics(board)
        .iter()
        .map(|metric| convert(metric, at))
        .collect();
    let resource = [
        ("service.name", "shakedown"),
        ("service.version", build.version.as_str()),
        ("shakedown.scenario", board.scenario.as_str()),
    ];
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            resource: Some(Resource {
                attributes: resource.map(|(key, value)| attribute(key, value)).into(),
                ..Resource::default()
            }),
            scope_metrics: vec![ScopeMetrics {
                scope: Some(InstrumentationScope {
                    name: "shakedown".to_owned(),
                    version: build.version.clone(),
                    ..InstrumentationScope::default()
                }),
                metrics: sent,
                ..ScopeMetrics::default()
            }],
            ..ResourceMetrics::default()
        }],
    }
}

fn convert(metric: &Metric, (began, now): (u64, u64)) -> Sent {
    let numbers = || {
        let points = metric
            .points
            .iter()
            .filter_map(|(labels, value)| match value {
                Value::Number(number) => Some(NumberDataPoint {
                    attributes: attributes(labels),
                    start_time_unix_nano: began,
                    time_unix_nano: now,
                    value: Some(number_data_point::Value::AsDouble(*number)),
                    ..NumberDataPoint::default()
                }),
                Value::Buckets(..) => None,
            });
        points.collect()
    };
    let cumulative = AggregationTemporality::Cumulative.into();
    let data = match metric.kind {
        Kind::Counter => metric::Data::Sum(Sum {
            data_points: numbers(),
            aggregation_temporality: cumulative,
            is_monotonic: true,
        }),
        Kind::Gauge => metric::Data::Gauge(Gauge {
            data_points: numbers(),
        }),
        Kind::Histogram => metric::Data::Histogram(Histogram {
            data_points: histograms(metric, (began, now)),
            aggregation_temporality: cumulative,
        }),
    };
    Sent {
        name: format!("shakedown.{}", metric.name),
        description: metric.help.to_owned(),
        unit: metric.unit.to_owned(),
        data: Some(data),
        ..Sent::default()
    }
}

fn histograms(metric: &Metric, (began, now): (u64, u64)) -> Vec<HistogramDataPoint> {
    let points = metric
        .points
        .iter()
        .filter_map(|(labels, value)| match value {
            Value::Number(_) => None,
            Value::Buckets(counts, sum) => Some(HistogramDataPoint {
                attributes: attributes(labels),
                start_time_unix_nano: began,
                time_unix_nano: now,
                count: counts.iter().sum(),
                sum: Some(*sum),
                bucket_counts: counts.clone(),
                explicit_bounds: BUCKETS_NS.iter().map(|ns| *ns as f64 / 1e9).collect(),
                ..HistogramDataPoint::default()
            }),
        });
    points.collect()
}

fn attributes(labels: &[(&'static str, String)]) -> Vec<KeyValue> {
    labels
        .iter()
        .map(|(key, value)| attribute(key, value))
        .collect()
}

fn attribute(key: &str, value: &str) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue {
            value: Some(any_value::Value::StringValue(value.to_owned())),
        }),
        ..KeyValue::default()
    }
}

fn now_ns() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collector_is_named_by_its_url_or_that_of_its_metrics() {
        let path = |url: &str| url.parse::<Collector>().map(|c| (c.host, c.port, c.path));
        let found = |host: &str, port, path: &str| Ok((host.to_owned(), port, path.to_owned()));
        assert_eq!(
            path("http://127.0.0.1:4318"),
            found("127.0.0.1", 4318, PATH)
        );
        assert_eq!(path("http://[::1]/"), found("::1", 4318, PATH));
        assert_eq!(
            path("http://otel:80/in/"),
            found("otel", 80, "/in/v1/metrics")
        );
        assert_eq!(path("http://otel:80/v1/metrics"), found("otel", 80, PATH));
        for bad in ["", "127.0.0.1:4318", "otel", "ftp://otel", "http://"] {
            assert!(
                path(bad).unwrap_err().contains("http://127.0.0.1:4318"),
                "{bad}"
            );
        }
        assert!(path("https://otel").unwrap_err().contains("only http"));
        assert!(
            path("http://me:secret@otel")
                .unwrap_err()
                .contains("do not belong")
        );
    }
}
