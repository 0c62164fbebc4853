/* The module: its three types, and its functions for lines. */
#include "native.h"

static PyObject *add_type(PyObject *module, PyType_Spec *spec) {
    PyObject *type = PyType_FromModuleAndSpec(module, spec, NULL);
    if (type == NULL || PyModule_AddType(module, (PyTypeObject *)type) < 0) Py_CLEAR(type);
    return type;
}

static int execute(PyObject *module) {
    Module *state = PyModule_GetState(module);
    PyObject *bytes = add_type(module, &bytes_spec), *reader = NULL, *decoder = NULL;
    state->bytes_type = (PyTypeObject *)bytes;
    if (bytes != NULL) reader = add_type(module, &reader_spec);
    if (reader != NULL) decoder = add_type(module, &decoder_spec);
    Py_XDECREF(reader);
    int failed = decoder == NULL;
    Py_XDECREF(decoder);
    return failed ? -1 : 0;
}

static int traverse(PyObject *module, visitproc visit, void *arg) {
    Module *state = PyModule_GetState(module);
    if (state != NULL) Py_VISIT(state->bytes_type);
    return 0;
}

static int clear(PyObject *module) {
    Module *state = PyModule_GetState(module);
    if (state != NULL) Py_CLEAR(state->bytes_type);
    return 0;
}

static PyModuleDef_Slot slots[] = {{Py_mod_exec, execute}, {0, NULL}};
static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "streamlake_native._native",
    .m_doc = "The compiled way of a batch: read, decide, columns.",
    .m_size = sizeof(Module),
    .m_methods = lines_methods,
    .m_slots = slots,
    .m_traverse = traverse,
    .m_clear = clear,
};

PyMODINIT_FUNC PyInit__native(void) { return PyModuleDef_Init(&definition); }
