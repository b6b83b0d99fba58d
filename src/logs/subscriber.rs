//! Takes what the program says through `tracing`'s macros.

use std::error::Error;
use std::fmt;
use std::sync::{Mutex, OnceLock, PoisonError, TryLockError};
use std::thread;
use std::time::SystemTime;

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};

use super::fields::TARGET;
use super::line::{Format, Line, Value};
use super::nested::Nested;
use super::outlet::Outlet;
use super::scopes::{self, LIBRARY, Program};
use super::text::Bounded;

/// How a program logs.
#[derive(Debug)]
pub struct Settings {
    /// Who logs.
    pub program: Program,
    /// Up to which level.
    pub level: LevelFilter,
    /// How lines look.
    pub format: Format,
    /// Fields of every line.
    pub context: Vec<(&'static str, String)>,
    /// Where lines go.
    pub outlets: Vec<Outlet>,
}

/// What writes lines, once a program has begun to log.
static WRITER: OnceLock<Writer> = OnceLock::new();

/// From here on, events are logged. Where a program that links this as a library logs already, its settings stay.
pub fn start(settings: Settings) {
    let _ = WRITER.set(Writer::new(settings));
    if let Some(writer) = WRITER.get() {
        let _ = tracing::subscriber::set_global_default(Logger(writer));
    }
}

/// The writer of the program, if it logs.
pub(super) fn writer() -> Option<&'static Writer> {
    WRITER.get()
}

/// Writes lines.
pub(super) struct Writer {
    program: Program,
    level: LevelFilter,
    format: Format,
    context: Vec<(&'static str, Value)>,
    outlets: Mutex<Vec<Outlet>>,
}

impl Writer {
    fn new(settings: Settings) -> Writer {
        let Settings { program, level, format, context, outlets } = settings;
        let text = |text: String| Value::Text(Bounded::of(format_args!("{text}")));
        let context = context.into_iter().map(|(name, value)| (name, text(value))).collect();
        Writer { program, level, format, context, outlets: Mutex::new(outlets) }
    }

    /// Are lines of this level written?
    pub(super) fn writes(&self, level: Level) -> bool {
        level <= self.level
    }

    /// Writes a line to every outlet.
    pub(super) fn write(&self, line: &Line<'_>) {
        let mut outlets = match self.outlets.try_lock() {
            Ok(outlets) => outlets,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            // A defect in the middle of a line: what is said of it must not wait for that line.
            Err(TryLockError::WouldBlock) if thread::panicking() => return,
            Err(TryLockError::WouldBlock) => self.outlets.lock().unwrap_or_else(PoisonError::into_inner),
        };
        let text = line.render(self.format);
        let note = |lost| {
            let message = format!("{lost} lines could not be written");
            let note = Line { level: Level::WARN, message: &message, fields: Vec::new(), ..line.clone() };
            note.render(self.format)
        };
        for outlet in outlets.iter_mut() {
            match outlet {
                Outlet::Stream(stream) => stream.write(&text, note),
                Outlet::Memory(collected, level) if line.level <= *level => {
                    let mut collected = collected.lock().unwrap_or_else(PoisonError::into_inner);
                    collected.push(line.level, text.trim_end());
                }
                Outlet::Memory(..) => {}
            }
        }
    }

    fn limit(&self, target: &str) -> LevelFilter {
        if scopes::is_own(target) { self.level } else { self.level.min(LevelFilter::ERROR) }
    }

    fn event(&self, event: &Event<'_>) {
        let mut said = Said::default();
        event.record(&mut said);
        let metadata = event.metadata();
        let scope = scopes::scope(self.program, metadata.target());
        if scope == LIBRARY {
            said.fields.push((TARGET, Value::Text(metadata.target().to_owned())));
        }
        let fields = self.context.iter().chain(&said.fields).map(|(name, value)| (*name, value)).collect();
        let (level, message) = (*metadata.level(), said.message.as_str());
        self.write(&Line { time: SystemTime::now(), level, scope, message, fields });
    }
}

/// `tracing`'s way to the writer. Spans are not asked for: nothing here opens any.
struct Logger(&'static Writer);

impl Subscriber for Logger {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.enabled(metadata) { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        !metadata.is_span() && *metadata.level() <= self.0.limit(metadata.target())
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.0.level)
    }

    fn event(&self, event: &Event<'_>) {
        self.0.event(event);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// What an event says.
#[derive(Default)]
struct Said {
    message: String,
    fields: Vec<(&'static str, Value)>,
}

impl Said {
    fn push(&mut self, field: &Field, value: Value) {
        self.fields.push((field.name(), value));
    }
}

impl Visit for Said {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = Bounded::of(format_args!("{value:?}"));
        if field.name() == "message" {
            self.message = text;
        } else {
            self.push(field, Value::Text(text));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.push(field, Value::Text(Bounded::of(format_args!("{value}"))));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.push(field, Value::Bool(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.push(field, Value::Number(value.to_string()));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.push(field, Value::Number(value.to_string()));
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        self.push(field, Value::Number(value.to_string()));
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.push(field, Value::Number(value.to_string()));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        let value = match value.downcast_ref::<Nested>() {
            Some(nested) => Value::Nested(nested.clone()),
            None => Value::Text(Bounded::of(format_args!("{value}"))),
        };
        self.push(field, value);
    }
}
