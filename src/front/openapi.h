#ifndef BOXOFFICE_OPENAPI_H
#define BOXOFFICE_OPENAPI_H

#include "http.h"

/* docs/openapi.yaml as it was when the program was built. */
struct text openapi_text(void);

#endif
