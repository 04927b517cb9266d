//! The ThingVisors that come with Morgana.
