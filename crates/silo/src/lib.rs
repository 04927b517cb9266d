//! A vSilo: controller, broker and one file a flavour.
