from learners.quick import import_river

import_river()
