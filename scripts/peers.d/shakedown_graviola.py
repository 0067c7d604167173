"""shakedown with another crypto library for its sessions: what of its CPU time is the library's choice."""

import shakedown

PEER = shakedown.variant("shakedown-graviola", ["--provider", "graviola"], also="graviola in place of AWS-LC; offers AES-128 first")
