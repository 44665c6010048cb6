//! Owns the creation of metrics: each name gets the prefix, and each label all its values at once, so that every
//! metric exists at zero from the start. Called by [`super::Metrics::new`]. Never counts anything.

use prometheus::core::Collector;
use prometheus::process_collector::ProcessCollector;
use prometheus::{
    Gauge, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, Result,
};

/// The prefix of every name.
const PREFIX: &str = "tcp_chatd_";

/// Bucket bounds for durations, in seconds.
pub(super) const LATENCIES: [f64; 14] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5];

/// Creates metrics and registers them.
pub(super) struct Make(Registry);

impl Make {
    pub(super) fn new() -> Self {
        Self(Registry::new())
    }

    /// The registry, with the metrics of the process.
    pub(super) fn done(self) -> Result<Registry> {
        self.0.register(Box::new(ProcessCollector::for_self()))?;
        Ok(self.0)
    }

    fn put<C: Collector + Clone + 'static>(&self, made: C) -> Result<C> {
        self.0.register(Box::new(made.clone()))?;
        Ok(made)
    }

    pub(super) fn counter(&self, name: &str, help: &str) -> Result<IntCounter> {
        self.put(IntCounter::with_opts(opts(name, help))?)
    }

    pub(super) fn counters<const N: usize>(
        &self,
        name: &str,
        help: &str,
        label: &str,
        words: [&str; N],
    ) -> Result<IntCounterVec> {
        let made = self.put(IntCounterVec::new(opts(name, help), &[label])?)?;
        words.iter().for_each(|word| drop(made.with_label_values(&[*word])));
        Ok(made)
    }

    /// With several labels, and each set of words that they can have.
    pub(super) fn counters_by<const N: usize>(
        &self,
        name: &str,
        help: &str,
        labels: [&str; N],
        words: impl Iterator<Item = [&'static str; N]>,
    ) -> Result<IntCounterVec> {
        let made = self.put(IntCounterVec::new(opts(name, help), &labels)?)?;
        words.for_each(|words| drop(made.with_label_values(&words)));
        Ok(made)
    }

    pub(super) fn gauge(&self, name: &str, help: &str) -> Result<IntGauge> {
        self.put(IntGauge::with_opts(opts(name, help))?)
    }

    pub(super) fn float(&self, name: &str, help: &str) -> Result<Gauge> {
        self.put(Gauge::with_opts(opts(name, help))?)
    }

    pub(super) fn gauges<const N: usize>(
        &self,
        name: &str,
        help: &str,
        label: &str,
        words: [&str; N],
    ) -> Result<IntGaugeVec> {
        let made = self.put(IntGaugeVec::new(opts(name, help), &[label])?)?;
        words.iter().for_each(|word| drop(made.with_label_values(&[*word])));
        Ok(made)
    }

    /// Without a label and without a value: absent until it is set.
    pub(super) fn absent_gauge(&self, name: &str, help: &str) -> Result<IntGaugeVec> {
        self.put(IntGaugeVec::new(opts(name, help), &[])?)
    }

    pub(super) fn histogram(&self, name: &str, help: &str, bounds: &[f64]) -> Result<Histogram> {
        let opts = HistogramOpts::from(opts(name, help)).buckets(bounds.to_vec());
        self.put(Histogram::with_opts(opts)?)
    }
}

fn opts(name: &str, help: &str) -> Opts {
    Opts::new(format!("{PREFIX}{name}"), help)
}
