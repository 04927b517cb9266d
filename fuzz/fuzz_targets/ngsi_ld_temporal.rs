#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| morgana_ngsi_ld::fuzz::temporal(bytes));
