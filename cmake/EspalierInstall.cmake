# What `cmake --install` puts where: one shared library of all folders, the public headers, the
# plugins, the programs, the configurations, and what find_package() and pkg-config read.
include(CMakePackageConfigHelpers)

set(plugin_folder ${CMAKE_INSTALL_LIBDIR}/espalier/plugins)
set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/espalier)
set(data_folder ${CMAKE_INSTALL_DATADIR}/espalier)

# The folders that hold code: one without sources is an INTERFACE library, with nothing to link.
set(folders)
foreach(folder model config load select place esp steer xfrm io observe gateway)
  get_target_property(type espalier_${folder} TYPE)
  if(type STREQUAL "STATIC_LIBRARY")
    list(APPEND folders espalier_${folder})
  endif()
endforeach()

add_library(libespalier SHARED ${PROJECT_SOURCE_DIR}/framework/src/version.cpp)
add_library(espalier::espalier ALIAS libespalier)
set_target_properties(libespalier PROPERTIES OUTPUT_NAME espalier EXPORT_NAME espalier
  VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR} LINKER_LANGUAGE CXX
  LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib
  LINK_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/libespalier.map)
# Their objects themselves, with the libraries that they use: no archive is linked twice.
foreach(folder IN LISTS folders)
  target_sources(libespalier PRIVATE $<TARGET_OBJECTS:${folder}>)
  get_target_property(used ${folder} LINK_LIBRARIES)
  list(FILTER used EXCLUDE REGEX "^espalier_")
  target_link_libraries(libespalier PRIVATE ${used})
endforeach()
target_link_libraries(libespalier PRIVATE espalier_build_flags INTERFACE espalier_sdk)
# Only what the public headers declare is exported: no symbol of a library that we use.
target_link_options(libespalier PRIVATE
  -Wl,--version-script=${CMAKE_CURRENT_LIST_DIR}/libespalier.map -Wl,-z,defs -Wl,-z,now)
target_compile_definitions(libespalier PRIVATE ESPALIER_VERSION="${PROJECT_VERSION}")
target_include_directories(libespalier PUBLIC
  $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/framework/include>)
target_compile_features(libespalier INTERFACE cxx_std_23)

set_target_properties(espalier_sdk PROPERTIES EXPORT_NAME sdk)
install(TARGETS libespalier espalier_sdk EXPORT espalier-targets)
install(EXPORT espalier-targets NAMESPACE espalier:: DESTINATION ${package_folder})
install(DIRECTORY framework/include/ sdk/include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
  FILES_MATCHING PATTERN "*.hpp" PATTERN "*.h")
install(DIRECTORY sdk/cmake/ DESTINATION ${package_folder})

# The mock kit, for the tests of those who use the library or write a backend, and the examples.
install(DIRECTORY sdk/mock sdk/example DESTINATION ${data_folder}/sdk)
install(FILES sdk/PORTING.md STYLE.md DESTINATION ${data_folder}/sdk)
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY docs DESTINATION ${CMAKE_INSTALL_DOCDIR})
if(EXISTS ${PROJECT_SOURCE_DIR}/configs)
  install(DIRECTORY configs/ DESTINATION ${data_folder})
endif()

if(TARGET espalier)
  install(TARGETS espalier RUNTIME)
endif()

# Every plugin under plugins/, without naming one.
function(espalier_install_plugins folder)
  get_property(targets DIRECTORY ${folder} PROPERTY BUILDSYSTEM_TARGETS)
  foreach(target IN LISTS targets)
    get_target_property(type ${target} TYPE)
    if(type STREQUAL "MODULE_LIBRARY")
      install(TARGETS ${target} LIBRARY DESTINATION ${plugin_folder})
    endif()
  endforeach()
  get_property(subfolders DIRECTORY ${folder} PROPERTY SUBDIRECTORIES)
  foreach(subfolder IN LISTS subfolders)
    espalier_install_plugins(${subfolder})
  endforeach()
endfunction()
espalier_install_plugins(plugins)

configure_package_config_file(cmake/espalier-config.cmake.in
  ${PROJECT_BINARY_DIR}/package/espalier-config.cmake
  INSTALL_DESTINATION ${package_folder} PATH_VARS plugin_folder data_folder)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/package/espalier-config-version.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/package/espalier-config.cmake
  ${PROJECT_BINARY_DIR}/package/espalier-config-version.cmake DESTINATION ${package_folder})

# Relative to the .pc file itself, so that an installed tree may be moved.
set(pc_folder ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
file(RELATIVE_PATH pc_to_prefix /prefix/${pc_folder} /prefix)
configure_file(cmake/espalier.pc.in ${PROJECT_BINARY_DIR}/package/espalier.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/package/espalier.pc DESTINATION ${pc_folder})
