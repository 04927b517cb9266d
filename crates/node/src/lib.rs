//! The node agent: carries out assignments and supervises workloads.
