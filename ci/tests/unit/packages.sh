#!/bin/bash
# The list of packages names what is linked and run.
exec "$SLUICE_TOP/ci/check-setup"
