#!/bin/bash
# timeout: 400
# A sample of real captures, from where $SLUICE_TRACES says or beside the tree; soak takes them all.
exec "$SLUICE_TOP/ci/replay-traces" --sample 8
