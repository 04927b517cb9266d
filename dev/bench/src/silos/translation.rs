//! Translations a second, and how much memory one asks for.

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use morgana_model::Entity;
use morgana_translate::{ngsi_ld, ngsi_v2, onem2m, raw};
use serde_json::json;

use crate::figures::Figures;

/// The system's allocator, counted.
struct Counted;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

#[global_allocator]
static ALLOCATOR: Counted = Counted;

// SAFETY: every call is handed on to the system's allocator as it came; the count is beside it.
#[allow(unsafe_code, reason = "an allocator can only be counted by being one")]
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: see above.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: see above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: see above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

const LASTING: Duration = Duration::from_millis(500);

/// A weather station: ten attributes, a place, metadata.
fn station() -> Entity {
    let reading = |value: f64, unit: &str| json!({ "type": "Property", "value": value, "unitCode": unit, "observedAt": "2026-11-25T12:00:00Z" });
    let entity = Entity::builder("urn:ngsi-ld:WeatherObserved:1", "WeatherObserved")
        .attribute("temperature", reading(21.5, "CEL"))
        .attribute("relativeHumidity", reading(0.6, "C62"))
        .attribute("atmosphericPressure", reading(1013.25, "A97"))
        .attribute("windSpeed", reading(3.5, "MTS"))
        .attribute("refDevice", json!({ "type": "Relationship", "object": "urn:ngsi-ld:Device:1" }))
        .property("source", "https://example.org")
        .property("address", json!({ "addressLocality": "Rome", "addressCountry": "IT" }))
        .property("dateObserved", json!({ "@type": "DateTime", "@value": "2026-11-25T12:00:00Z" }))
        .property("stationName", "roof")
        .location(12.49, 41.89);
    entity.build().expect("an entity")
}

pub(super) fn measure(figures: &mut Figures) {
    let (entity, v_thing) = (station(), "weather/roof".parse().expect("an id"));
    let v2 = ngsi_v2::to_ngsi_v2(&entity).expect("it fits").entity;
    one(figures, "NGSI-LD for an NGSI-LD broker", || {
        drop(black_box(ngsi_ld::for_broker(entity.clone(), &v_thing)))
    });
    one(figures, "NGSI-LD to NGSIv2", || drop(black_box(ngsi_v2::to_ngsi_v2(&entity))));
    one(figures, "NGSIv2 to NGSI-LD", || drop(black_box(ngsi_v2::from_ngsi_v2(&v2))));
    one(figures, "NGSI-LD to oneM2M", || drop(black_box(onem2m::to_onem2m(&entity))));
    one(figures, "NGSI-LD to an MQTT payload", || drop(black_box(raw::entity_payload(&entity))));
}

/// Does one thing again and again for a while.
fn one(figures: &mut Figures, what: &str, translate: impl Fn()) {
    let (start, before) = (Instant::now(), ALLOCATIONS.load(Ordering::Relaxed));
    let mut done = 0_u64;
    while start.elapsed() < LASTING {
        (0..100).for_each(|_| translate());
        done += 100;
    }
    let elapsed = start.elapsed().as_secs_f64();
    let allocations = ALLOCATIONS.load(Ordering::Relaxed) - before;
    figures.put(format!("{what}, ten attributes"), done as f64 / elapsed, "entities/s", None);
    figures.put(format!("{what}, allocations"), allocations as f64 / done as f64, "an entity", None);
}
