#include "buffering/store_fault.h"

#ifdef SCEF_FAULT

#include "buffering/record.h"

static void put_committed(uint8_t kind)
{
    switch (kind) {
    case RECORD_DOWNLINK:
        FAULT("store.downlink_committed");
        break;
    case RECORD_UPLINK:
        FAULT("store.uplink_committed");
        break;
    case RECORD_DEVICE:
        FAULT("store.device_committed");
        break;
    case RECORD_OBSERVATION:
        FAULT("store.observation_committed");
        break;
    case RECORD_SEQUENCE:
        FAULT("store.sequence_committed");
        break;
    default:
        break;
    }
}

static void delete_committed(uint8_t kind)
{
    if (kind == RECORD_DOWNLINK)
        FAULT("store.downlink_removed");
    else if (kind == RECORD_UPLINK)
        FAULT("store.uplink_removed");
    else if (kind == RECORD_OBSERVATION)
        FAULT("store.observation_removed");
}

void store_fault_committed(const struct batch *b)
{
    struct batch_op op;
    for (size_t at = 0; batch_next(b, &at, &op);)
        (op.is_put ? put_committed : delete_committed)(op.key.data[0]);
}

#endif
